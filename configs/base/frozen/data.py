# Features of released encoders, computed once for each clip (docs/features.md), instead of encoders
# that are trained: one vector of the sound, and one of each of ten frames.
# Clips are decoded once, when their features are computed (cache.mode).
cache = dict(
    mode="live",
    decoder="pyav",
    frame_size=224,
    num_frames=10,
    n_mels=128,
    fbank_frames=1024,
    max_bad_share=0.25,
)
features = dict(
    name="cav-mae",
    audio=dict(encoder="cav_mae", weights="media/weights/audio_model.21.pth"),
    video=dict(encoder="cav_mae", weights="media/weights/audio_model.21.pth", steps=10),
    dropout=0.1,
    noise=0.0,
)
data = dict(
    num_classes=309,
    pretrain_splits=["unlabelled", "train"],
    num_frames=1,  # one random frame in training, each of the ten frames in a test
    frame_size=224,
    train_per_class=None,  # all
    update_per_class=20,
    update_unlabelled=15000,  # 50 clips a cluster
    samples_per_class=4,
    spec_augment=dict(freq_mask=0, time_mask=0),  # no spectrogram is read in training
    flip=False,  # nor pixels
    folds=None,  # folds of the labelled clips; a plan sets them
)
