# Small convolutional encoders: one pass over a clip costs a 2-core machine about a millisecond.
imports = []
audio_encoder = dict(type="ConvEncoder", in_channels=1, widths=(16, 32, 64, 128))
video_encoder = dict(type="ConvEncoder", in_channels=8, widths=(32, 64, 96, 128))
video_input = "motion"
embedding_dim = 128
