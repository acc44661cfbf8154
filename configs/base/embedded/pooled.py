# Small convolutional encoders: a forward pass of one clip takes about a millisecond on two cores.
imports = []
audio_encoder = dict(type="ConvEncoder", in_channels=1, widths=(16, 32, 64, 128))
video_encoder = dict(type="ConvEncoder", in_channels=8, widths=(32, 64, 96, 128))
video_input = "motion"
embedding_dim = 128
