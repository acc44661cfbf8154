# Short real sounds, decoded once: log-mels of 64 time steps x 64 bands. Twice as many steps would
# double the cost of a plan (39 instead of 79 ms between the windows of a clip of 5 s).
cache = dict(
    mode="stored",
    decoder="pyav",
    frame_size=36,  # of pictures, which plans on sound alone do not decode
    num_frames=16,
    n_mels=64,
    fbank_frames=64,
    max_bad_share=0.02,
)
data = dict(
    num_classes=20,
    pretrain_splits=["unlabelled"],
    num_frames=8,
    frame_size=32,
    train_per_class=None,  # all of the groups that data.folds leaves their labels
    update_per_class=6,
    # 10 clips for each of 20 clusters: a third of a pool of 560 to 630 clips. A circle that covers
    # 95 % of ten clips ends between the two outermost of them.
    update_unlabelled=200,
    samples_per_class=4,
    spec_augment=dict(freq_mask=8, time_mask=8),
    flip=False,
    folds=None,  # folds of the labelled clips; a plan sets them
)
features = None  # stored features that runs read instead of clips, see docs/features.md
