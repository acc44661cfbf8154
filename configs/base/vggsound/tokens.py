# ViT-B/16 from scratch, as tokens: 512 of a spectrogram and 196 of a video frame.
# timm takes a second to import, so only runs that use it do
imports = ["diccae.models.tokens"]
audio_encoder = dict(
    type="AudioTokens", size=(1024, 128), patch=(16, 16), width=768, depth=12, heads=12
)
video_encoder = dict(
    type="VideoTokens",
    size=(1, 224, 224),
    patch=(1, 16, 16),
    channels=3,
    width=768,
    depth=12,
    heads=12,
)
video_input = "rgb"
embedding_dim = 768
