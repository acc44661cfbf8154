# The paper's scale. Clips are decoded during training (cache.mode), because 2.3 million clips of 10
# frames would need 4.1 TB. Mode "stored" decodes only once: for VGGSound alone it needs 350 GB, or
# 94 GB with frames as JPEG (cache.format).
cache = dict(
    mode="live",
    decoder="pyav",
    frame_size=224,
    num_frames=10,
    n_mels=128,
    fbank_frames=1024,
    max_bad_share=0.25,
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
    spec_augment=dict(freq_mask=48, time_mask=192),
    flip=True,
    folds=None,  # folds of the labelled clips; a plan sets them
)
features = None  # stored features that runs read instead of clips, see docs/features.md
