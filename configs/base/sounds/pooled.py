# The convolutional encoders of the scale embedded.
imports = []
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
