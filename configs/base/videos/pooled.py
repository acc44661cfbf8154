# Convolutional encoders, wider than those of the scale embedded and with a layer more, since frames
# have 112 pixels and not 32. Frames are in colour: unlike rendered clips, real ones show their
# class by the scene too.
imports = []
audio_encoder = dict(
    type="ConvEncoder",
    in_channels=1,
    widths=(32, 64, 128, 256, 256),
    channels_last=(True, True, True, True, True),
)
video_encoder = dict(
    type="ConvEncoder",
    in_channels=24,  # eight frames of three colours
    widths=(32, 64, 128, 256, 256),
    channels_last=(True, True, True, True, True),
)
video_input = "rgb"
embedding_dim = 256
