# A small trained network over each stored vector, in place of an encoder.
imports = []
audio_encoder = dict(
    type="FeatureAdapter", kind="mlp", in_features=768, hidden=512, out_features=256
)
video_encoder = dict(
    type="FeatureAdapter", kind="mlp", in_features=768, hidden=512, out_features=256
)
video_input = "rgb"
embedding_dim = 256
