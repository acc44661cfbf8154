# Token encoders of the size of the convolutional ones: 32 tokens of each modality, about 8 million
# multiply-adds a clip for both, 0.25 million parameters. Systems that are defined on tokens are
# built from their parts.
imports = ["diccae.models.tokens"]
# patches of 8 time steps x 16 mel bands
audio_encoder = dict(type="AudioTokens", size=(64, 64), patch=(8, 16), width=48, depth=4, heads=3)
# tubelets of 4 frames x 8 x 8 pixels
video_encoder = dict(
    type="VideoTokens", size=(8, 32, 32), patch=(4, 8, 8), channels=1, width=48, depth=4, heads=3
)
video_input = "motion"
embedding_dim = 128
