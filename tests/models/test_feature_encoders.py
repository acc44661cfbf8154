"""Released encoders of stored features, against the encoders that are trained and against timm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from diccae.errors import UserError
from diccae.feature_settings import FeatureSource
from diccae.models.feature_encoders import feature_encoder
from diccae.models.vit import AudioViT, VideoViT
from tests.models.vit_samples import cav_mae, preprocessed, saved

CACHE = {"fbank_frames": 64, "n_mels": 32, "frame_size": 48, "num_frames": 4}


def source(weights: str, encoder: str = "cav_mae", **settings: Any) -> FeatureSource:
    return FeatureSource(encoder=encoder, weights=weights, model="test_vit", **settings)


@torch.no_grad()
def test_cav_mae_hears_what_it_was_trained_on(tmp_path: Path) -> None:
    weights = saved(cav_mae(), tmp_path / "cav_mae.pth")
    clips = (3 * torch.randn(2, 64, 32) - 5).half()
    pooled = feature_encoder("audio", source(weights), CACHE)
    found = pooled(clips)
    assert (found.dtype, tuple(found.shape), pooled.shape) == (
        torch.float16,
        (2, 1, 1, 64),
        (1, 1, 64),
    )
    trained = AudioViT("test_vit", 64, 32, weights).eval()
    wanted = trained(((clips.float() + 5.081) / 4.4849)[:, None])
    assert torch.allclose(found[:, 0, 0].float(), wanted, atol=2e-3)
    # four columns of two rows of patches, in time order
    steps = feature_encoder("audio", source(weights, steps=2, patches=True), CACHE)(clips)
    assert tuple(steps.shape) == (2, 2, 2, 64)
    tokens = trained.vit.forward_features(((clips.float() + 5.081) / 4.4849)[:, None].mT)
    first = (tokens[:, 4] + tokens[:, 5]) / 2
    assert torch.allclose(steps[:, 0, 1].float(), first, atol=2e-3)
    assert torch.allclose(steps.float().mean((1, 2)), found[:, 0, 0].float(), atol=2e-3)


@torch.no_grad()
def test_cav_mae_sees_frames_as_the_encoder_that_is_trained(tmp_path: Path) -> None:
    weights = saved(cav_mae(), tmp_path / "cav_mae.pth")
    clip = torch.randint(0, 256, (1, 4, 48, 48, 3), dtype=torch.uint8)
    found = feature_encoder("video", source(weights, steps=2), CACHE)(clip)
    trained = VideoViT("test_vit", 2, 48, weights).eval()
    for step in range(2):
        frames = clip[:, 2 * step : 2 * step + 2].permute(0, 1, 4, 2, 3)
        wanted = trained(preprocessed(tmp_path, frames)[:, 0])
        assert torch.allclose(found[:, step, 0].float(), wanted, atol=2e-3)


@torch.no_grad()
def test_a_timm_vit_keeps_its_class_token_and_its_picture_size(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = timm.create_model("test_vit", img_size=32).eval()
    weights = saved(model.state_dict(), tmp_path / "vit.pth")
    clip = torch.randint(0, 256, (1, 4, 48, 48, 3), dtype=torch.uint8)
    encoder = feature_encoder("video", source(weights, "timm", steps=4), CACHE)
    found = encoder(clip)
    pixels = clip[0].permute(0, 3, 1, 2).float() / 255
    small = torch.nn.functional.interpolate(pixels, (32, 32), mode="bilinear", antialias=True)
    mean, std = (torch.tensor(model.pretrained_cfg[key])[:, None, None] for key in ("mean", "std"))
    wanted = model.forward_head(model.forward_features((small - mean) / std), pre_logits=True)
    assert torch.allclose(found[0, :, 0].float(), wanted, atol=2e-3)
    patches = feature_encoder("video", source(weights, "timm", steps=4, patches=True), CACHE)(clip)
    assert tuple(patches.shape) == (1, 4, 4, 64)
    assert torch.allclose(
        patches[0].float(), model.forward_features((small - mean) / std)[:, 1:], atol=2e-3
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "resnet18"}, "resnet18 is no vision transformer"),
        ({"model": "no_such_vit"}, "timm cannot build it"),
        (
            {"model": "vit_tiny_patch16_224"},
            "lacks 72 weights of the model, .* features.video.model",
        ),
        ({"weights": "none.pth"}, "got 'none.pth', which does not exist"),
    ],
)
def test_timm_weights_that_do_not_fit(tmp_path: Path, change: dict[str, str], words: str) -> None:
    weights = saved(timm.create_model("test_vit").state_dict(), tmp_path / "vit.pth")
    settings = {"encoder": "timm", "weights": weights, "model": "test_vit"} | change
    with pytest.raises(UserError, match=words):
        feature_encoder("video", FeatureSource(**settings), CACHE)


def test_steps_that_do_not_divide_and_features_that_overflow(tmp_path: Path) -> None:
    weights = saved(cav_mae(), tmp_path / "cav_mae.pth")
    with pytest.raises(UserError, match="steps 3 does not divide the 4 columns of patches"):
        feature_encoder("audio", source(weights, steps=3), CACHE)
    encoder = feature_encoder("audio", source(weights), CACHE)
    encoder.vit.norm.weight.data.fill_(1e6)
    with pytest.raises(UserError, match="not finite in float16"), torch.no_grad():
        encoder(torch.randn(1, 64, 32).half())
