"""Files of weights, models and inputs that do not fit a ViT encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor

from diccae.errors import UserError
from diccae.models.vit import AudioViT, VideoViT
from tests.models.vit_samples import cav_mae, saved


def without(key: str) -> dict[str, Tensor]:
    state = cav_mae()
    del state[f"module.{key}"]
    return state


def reshaped(key: str, *shape: int) -> dict[str, Tensor]:
    return {**cav_mae(), f"module.{key}": torch.zeros(shape)}


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (
            without("blocks_a.3.mlp.fc1.bias"),
            "lacks 1 of the 78 weights .*, blocks_a.3.mlp.fc1.bias first",
        ),
        (
            without("blocks_u.0.norm2_a.weight"),
            "lacks 1 of the 78 weights .*, blocks_u.0.norm2_a.weight first",
        ),
        (without("modality_a"), "modality_a first"),
        ({"a.weight": torch.zeros(1)}, "lacks 78 of the 78 weights .*, pos_embed_a first"),
        ({}, "lacks 78 of the 78"),
        (cav_mae("vit_tiny_patch16_224"), "has 11 blocks_a and 1 blocks_u, wanted 6 together"),
        (
            reshaped("blocks_a.0.attn.qkv.weight", 192, 32),
            r"qkv.weight has shape \(192, 32\), wanted \(192, 64\)",
        ),
        (
            reshaped("patch_embed_a.proj.weight", 64, 3, 16, 16),
            r"proj.weight has shape .*, wanted \(64, 1, 16, 16\)",
        ),
        (reshaped("modality_a", 1, 64), r"modality_a has shape \(1, 64\), wanted \(1, 1, 64\)"),
        (reshaped("pos_embed_a", 1, 512, 32), r"pos_embed_a has shape .*, wanted \(1, 512, 64\)"),
        (reshaped("pos_embed_a", 1, 511, 64), "pos_embed_a has 511 positions, which form no grid"),
        ({**cav_mae(), "epoch": 3}, "epoch is no tensor"),
        ([torch.zeros(1)], "cannot be read as a state dict"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "state",
)
def test_a_cav_mae_file_that_does_not_fit(tmp_path: Path, state: Any, words: str) -> None:
    path = saved(state, tmp_path / "wrong.pth")
    with pytest.raises(UserError, match=words) as caught:
        AudioViT("test_vit", init=path)
    assert str(caught.value).startswith(f"{path}: ")


def test_video_positions_must_be_square(tmp_path: Path) -> None:
    path = saved(reshaped("pos_embed_v", 1, 195, 64), tmp_path / "wrong.pth")
    with pytest.raises(UserError, match="pos_embed_v has 195 positions, which form no grid"):
        VideoViT("test_vit", init=path)


def test_imagenet_file_that_does_not_fit(tmp_path: Path) -> None:
    path = saved(cav_mae(), tmp_path / "cav.pth")
    with pytest.raises(
        UserError,
        match="cav.pth: lacks 75 of the 77 weights that the encoder needs, pos_embed first",
    ):
        AudioViT("test_vit", init="imagenet", pretrained_file=path)
    state = timm.create_model("test_vit").state_dict()
    state["pos_embed"] = state["pos_embed"][:, :98]
    with pytest.raises(UserError, match="pos_embed has 98 positions, which form no grid"):
        VideoViT("test_vit", init="imagenet", pretrained_file=saved(state, tmp_path / "vit.pth"))


def test_files_that_are_absent_or_broken(tmp_path: Path) -> None:
    absent, broken = tmp_path / "absent.pth", tmp_path / "broken.pth"
    broken.write_bytes(b"<html>not found</html>")
    with pytest.raises(
        UserError,
        match=r"init: wanted scratch, imagenet or the path of .*, got '.*absent.pth'",
    ):
        AudioViT("test_vit", init=str(absent))
    with pytest.raises(
        UserError, match=r"pretrained_file: wanted a file of timm weights, got '.*absent.pth'"
    ):
        AudioViT("test_vit", init="imagenet", pretrained_file=str(absent))
    with pytest.raises(
        UserError,
        match=r"broken.pth: cannot be read as a state dict \(.+\); download the file again",
    ):
        AudioViT("test_vit", init=str(broken))
    with pytest.raises(UserError, match="is read with init imagenet only, got init 'scratch'"):
        AudioViT("test_vit", pretrained_file=str(absent))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"model": "vit_nothing"}, "timm cannot build a ViT named 'vit_nothing'"),
        ({"model": "resnet18"}, "timm cannot build a ViT named 'resnet18'"),
        ({"model": "vit_tiny_r_s16_p8_224"}, "vit_tiny_r_s16_p8_224 is not a plain ViT"),
        (
            {"model": "test_vit", "fbank_frames": 1000},
            "test_vit: input of 128 x 1000 does not divide into patches of 16 x 16",
        ),
    ],
)
def test_models_and_sizes_that_do_not_fit(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        AudioViT(**arguments)


def test_inputs_of_another_size_are_named() -> None:
    with pytest.raises(
        UserError, match=r"AudioViT: wanted inputs of shape \(B, 1, 96, 64\), got \(2, 1, 64, 96\)"
    ):
        AudioViT("test_vit", 96, 64)(torch.zeros(2, 1, 64, 96))
    # six grey frames of video_input "motion" are not two of RGB
    with pytest.raises(
        UserError,
        match=r"wanted inputs of shape \(B, 18, 32, 32\), got \(2, 6, 32, 32\); it wants ",
    ):
        VideoViT("test_vit", 6, 32)(torch.zeros(2, 6, 32, 32))
