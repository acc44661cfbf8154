"""ViT encoders with weights of ImageNet."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from diccae.errors import UserError
from diccae.models.vit import AudioViT, VideoViT
from tests.models.vit_samples import columns, preprocessed


@pytest.mark.parametrize("no_embed_class", [False, True])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_imagenet_weights_from_a_file(tmp_path: Path, no_embed_class: bool, suffix: str) -> None:
    torch.manual_seed(0)
    original = timm.create_model(
        "test_vit", dynamic_img_size=False, no_embed_class=no_embed_class
    ).eval()
    path = str(tmp_path / f"vit.{suffix}")
    if suffix == "pth":
        torch.save(original.state_dict(), path)
    else:
        save_file(original.state_dict(), path)

    video = VideoViT(
        "test_vit", num_frames=1, frame_size=160, init="imagenet", pretrained_file=path
    ).eval()
    positions = original.pos_embed if no_embed_class else original.pos_embed[:, 1:]
    torch.testing.assert_close(video.vit.pos_embed, positions)
    assert set(video.loaded.unused) == {"cls_token", "head.weight", "head.bias"}
    clip = torch.randint(0, 256, (1, 1, 3, 160, 160), dtype=torch.uint8)
    pixels = (clip[0] / 255 - columns(original.pretrained_cfg["mean"])) / columns(
        original.pretrained_cfg["std"]
    )
    with torch.no_grad():
        tokens = original.norm(original.blocks(original.patch_embed(pixels.float()) + positions))
        torch.testing.assert_close(
            video(preprocessed(tmp_path, clip)[0]), tokens.mean(1), rtol=1e-4, atol=1e-4
        )

    audio = AudioViT("test_vit", 160, 160, init="imagenet", pretrained_file=path).eval()
    fbank = torch.randn(2, 1, 160, 160)
    with torch.no_grad():
        tokens = original.norm(
            original.blocks(original.patch_embed(fbank.mT.expand(-1, 3, -1, -1)) + positions)
        )
        torch.testing.assert_close(audio(fbank), tokens.mean(1), rtol=1e-4, atol=1e-4)


def test_imagenet_without_network_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        UserError,
        match=r"imagenet: the weights of test_vit cannot be downloaded \(.+\); .*pretrained_file",
    ):
        AudioViT("test_vit", init="imagenet")
