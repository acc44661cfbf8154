# Small convolutional encoders: a forward pass of one clip takes about a millisecond on two cores.
imports = []
# channels_last: the memory format of each layer, the fastest of all combinations by
# `benchmarks/training_step.py --formats`.
audio_encoder = dict(
    type="ConvEncoder",
    in_channels=1,
    widths=(16, 32, 64, 128),
    channels_last=(True, True, True, True),
)
video_encoder = dict(
    type="ConvEncoder",
    in_channels=8,
    widths=(32, 64, 96, 128),
    channels_last=(True, True, True, True),
)
video_input = "motion"
embedding_dim = 128
