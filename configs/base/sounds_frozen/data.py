# Vectors of a released tagger of sounds, which were computed once for each clip (docs/features.md):
# no clip is decoded, and there is no cache.
cache = dict(
    mode="stored",
    decoder="pyav",
    frame_size=36,
    num_frames=16,
    n_mels=64,
    fbank_frames=64,
    max_bad_share=0.02,
)
features = dict(
    name="yamnet",
    audio=dict(file="media/features/yamnet.npz", array="embedding", ids="path", match="stem"),
    # the two views of a clip that InfoNCE contrasts differ in the values that are dropped alone
    dropout=0.3,
    noise=0.0,
)
data = dict(
    num_classes=20,
    pretrain_splits=["unlabelled"],
    num_frames=1,
    frame_size=32,
    train_per_class=None,  # all of the groups that data.folds leaves their labels
    update_per_class=6,
    update_unlabelled=200,  # as at the scale sounds
    samples_per_class=4,
    spec_augment=dict(freq_mask=0, time_mask=0),  # no spectrogram is read in training
    flip=False,
    folds=None,  # folds of the labelled clips; a plan sets them
)
