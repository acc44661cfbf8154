# The embedded benchmark: its classes, clips per split, size of a clip in the cache, and size of the
# network's input. docs/benchmark.md says why the counts are what they are.
benchmark = dict(
    design="pairs",  # the second benchmark; ring: the first, see configs/plans/embedded-first.yaml
    counts=dict(unlabelled=4800, train=960, update=480, validation=600, test=8160),
)
cache = dict(
    decoder="pyav",
    frame_size=36,
    num_frames=16,
    n_mels=64,
    fbank_frames=64,
    max_bad_share=0.0,
)
data = dict(
    num_classes=12,
    pretrain_splits=["unlabelled"],
    num_frames=8,
    frame_size=32,
    train_per_class=20,  # labelled clips of a class, drawn by seed from the train split
    update_per_class=40,  # clips of a class in the update set of fine-tuning
    # clips in the update set of pre-training, withheld from training: 40 for each of 24 clusters
    update_unlabelled=960,
    samples_per_class=4,  # K of P x K batches
    spec_augment=dict(freq_mask=8, time_mask=8),
    flip=True,
    folds=None,  # folds of the labelled clips; a plan sets them
)
features = None  # stored features that runs read instead of clips, see docs/features.md
