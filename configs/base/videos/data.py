# Short real videos, decoded once: 16 frames of 128 x 128 pixels and log-mels of 128 time steps x 64
# bands, 0.8 MB a clip. In a clip of 7 s the frames are 0.45 s and the time steps 55 ms apart.
cache = dict(
    mode="stored",
    decoder="pyav",
    frame_size=128,
    num_frames=16,
    n_mels=64,
    fbank_frames=128,
    max_bad_share=0.02,
)
data = dict(
    num_classes=51,
    pretrain_splits=["unlabelled", "train"],
    num_frames=8,
    frame_size=112,
    train_per_class=None,  # all; a plan with scarce labels sets a number
    update_per_class=20,
    update_unlabelled=510,
    samples_per_class=4,
    spec_augment=dict(freq_mask=8, time_mask=16),
    flip=True,
    folds=None,  # folds of the labelled clips; a plan sets them
)
features = None  # stored features that runs read instead of clips, see docs/features.md
