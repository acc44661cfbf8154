# A small trained network over the mean of a clip's vectors, in place of an encoder.
imports = []
audio_encoder = dict(
    type="FeatureAdapter", kind="mlp", in_features=1024, hidden=256, out_features=128
)
video_encoder = dict(
    type="FeatureAdapter", kind="mlp", in_features=1024, hidden=256, out_features=128
)
video_input = "rgb"
embedding_dim = 128
