# ViT-B/16 on log-mel spectrograms of 128 mel bands x 1024 time steps, and ViT-B/16 on video frames.
# init: "scratch", "imagenet", or the path of a CAV-MAE checkpoint.
# timm takes a second to import, so only runs that use it do
imports = ["diccae.models.vit"]
audio_encoder = dict(
    type="AudioViT", model="vit_base_patch16_224", fbank_frames=1024, n_mels=128, init="imagenet"
)
video_encoder = dict(
    type="VideoViT", model="vit_base_patch16_224", num_frames=1, frame_size=224, init="imagenet"
)
video_input = "rgb"
embedding_dim = 768
