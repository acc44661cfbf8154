# Small convolutional encoders: one pass over a clip costs a 2-core machine about a millisecond.
audio_encoder = dict(type='ConvEncoder', in_channels=1, widths=(16, 32, 64, 128))
video_encoder = dict(type='ConvEncoder', in_channels=24, widths=(32, 64, 128))
embedding_dim = 128
