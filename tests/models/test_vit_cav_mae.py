"""ViT encoders with weights of CAV-MAE, against its forward pass in plain loops."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor

from diccae.models.vit import AudioViT, VideoViT
from tests.models.vit_samples import TINY, cav_mae, columns, preprocessed, saved


def unimodal_forward(
    state: dict[str, Tensor], model: str, modality: str, picture: Tensor
) -> Tensor:
    """CAV-MAE's encoding of one modality, by patch and head: (channels, H, W) -> (D,), float64."""
    width, heads, _, depth = TINY[model]
    weight = {key.removeprefix("module."): value.double() for key, value in state.items()}

    def linear(tokens: Tensor, name: str) -> Tensor:
        return tokens @ weight[f"{name}.weight"].T + weight[f"{name}.bias"]

    def norm(tokens: Tensor, name: str) -> Tensor:
        centred = tokens - tokens.mean(1, keepdim=True)
        scaled = centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()
        return scaled * weight[f"{name}.weight"] + weight[f"{name}.bias"]

    def block(tokens: Tensor, name: str, suffix: str) -> Tensor:
        query, key, value = linear(norm(tokens, f"{name}.norm1{suffix}"), f"{name}.attn.qkv").split(
            width, dim=1
        )
        size = width // heads
        mixed = []
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            mixed.append(
                (query[:, part] @ key[:, part].T / math.sqrt(size)).softmax(1) @ value[:, part]
            )
        tokens = tokens + linear(torch.cat(mixed, 1), f"{name}.attn.proj")
        inner = linear(norm(tokens, f"{name}.norm2{suffix}"), f"{name}.mlp.fc1")
        gelu = inner * (1 + torch.erf(inner / math.sqrt(2))) / 2
        return tokens + linear(gelu, f"{name}.mlp.fc2")

    kernel, bias = (
        weight[f"patch_embed_{modality}.proj.weight"],
        weight[f"patch_embed_{modality}.proj.bias"],
    )
    rows, columns = picture.shape[1] // 16, picture.shape[2] // 16
    tokens = torch.stack(
        [
            (kernel * picture[:, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16]).sum(
                (1, 2, 3)
            )
            + bias
            for row in range(rows)
            for column in range(columns)
        ]
    )
    tokens = tokens + weight[f"pos_embed_{modality}"][0] + weight[f"modality_{modality}"][0]
    for index in range(depth):
        tokens = block(tokens, f"blocks_{modality}.{index}", "")
    tokens = block(tokens, "blocks_u.0", f"_{modality}")
    return norm(tokens, f"norm_{modality}").mean(0)


@pytest.mark.parametrize("model", TINY)
def test_audio_from_cav_mae_gives_its_audio_forward(tmp_path: Path, model: str) -> None:
    state = cav_mae(model)
    encoder = AudioViT(model, init=saved(state, tmp_path / "cav.pth")).eval()
    fbank = torch.randn(1, 1, 1024, 128)
    with torch.no_grad():
        feature = encoder(fbank)
    # CAV-MAE turns the spectrogram: mels are rows
    torch.testing.assert_close(
        feature[0].double(),
        unimodal_forward(state, model, "a", fbank[0].mT.double()),
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.parametrize("model", TINY)
def test_video_from_cav_mae_gives_the_mean_of_its_video_forward(tmp_path: Path, model: str) -> None:
    state = cav_mae(model)
    encoder = VideoViT(model, num_frames=2, init=saved(state, tmp_path / "cav.pth")).eval()
    clip = torch.randint(0, 256, (1, 2, 3, 224, 224), dtype=torch.uint8)
    with torch.no_grad():
        feature = encoder(preprocessed(tmp_path, clip)[0])
    pixels = clip[0].double() / 255
    pixels = (pixels - columns(IMAGENET_DEFAULT_MEAN)) / columns(IMAGENET_DEFAULT_STD)
    expected = torch.stack([unimodal_forward(state, model, "v", frame) for frame in pixels]).mean(0)
    torch.testing.assert_close(feature[0].double(), expected, rtol=1e-4, atol=1e-4)


def test_every_weight_of_the_file_is_counted(tmp_path: Path) -> None:
    state = cav_mae()
    path = saved(state, tmp_path / "cav.pth")
    names = {key.removeprefix("module.") for key in state}
    for encoder, own, other in (
        (AudioViT("test_vit", init=path), "a", "v"),
        (VideoViT("test_vit", init=path), "v", "a"),
    ):
        loaded = encoder.loaded
        assert loaded is not None
        assert loaded.source == path
        assert set(loaded.used) | set(loaded.unused) == names
        assert not set(loaded.used) & set(loaded.unused)
        assert f"modality_{own}" in loaded.used
        assert f"blocks_u.0.norm1_{own}.weight" in loaded.used
        # the model's own weights, and the modality's vector, which went into the positions
        assert len(loaded.used) == len(encoder.vit.state_dict()) + 1
        for unused in (
            f"modality_{other}",
            f"blocks_u.0.norm1_{other}.weight",
            "blocks_u.0.norm1.weight",
            f"blocks_{own}.0.norm1_a.weight",
            "norm.weight",
            "mask_token",
        ):
            assert unused in loaded.unused
    assert (
        f"{path}: {len(loaded.used)} of {len(names)} weights used; unused: blocks_a 100, "
        "blocks_u 8, blocks_v 40, " in str(loaded)
    )
    assert AudioViT("test_vit").loaded is None


def test_fine_tuned_cav_mae_without_decoder_is_read_too(tmp_path: Path) -> None:
    state = {
        key: value for key, value in cav_mae().items() if "decoder" not in key and "mask" not in key
    }
    state["module.mlp_head.1.weight"] = torch.zeros(309, 64)
    loaded = AudioViT("test_vit", init=saved(state, tmp_path / "ft.pth")).loaded
    assert "mlp_head.1.weight" in loaded.unused


def test_positions_are_interpolated_over_time_and_mels(tmp_path: Path) -> None:
    state = cav_mae()
    state["module.modality_a"] = torch.full((1, 1, 64), 5.0)
    grid = torch.zeros(8, 64, 64)
    grid[..., 0] = torch.arange(8.0)[:, None] ** 2  # differs from mel to mel
    grid[..., 1] = torch.arange(64.0)  # from frame to frame
    state["module.pos_embed_a"] = grid.reshape(1, 512, 64)
    path = saved(state, tmp_path / "cav.pth")

    same = AudioViT("test_vit", init=path).vit.pos_embed
    torch.testing.assert_close(same, grid.reshape(1, 512, 64) + 5)

    shorter = AudioViT("test_vit", fbank_frames=512, init=path).vit.pos_embed.reshape(8, 32, 64)
    torch.testing.assert_close(shorter[..., 0], grid[:, :32, 0] + 5)
    assert bool((shorter[..., 1].diff(dim=1) > 0).all())
    assert float(shorter[0, 0, 1].detach()) == pytest.approx(5.5, abs=0.2)
    assert float(shorter[0, -1, 1].detach()) == pytest.approx(67.5, abs=0.2)
    torch.testing.assert_close(shorter[0, 10:20, 1], torch.arange(10.0, 20.0) * 2 + 0.5 + 5)
    torch.testing.assert_close(shorter[..., 2], torch.full((8, 32), 5.0))

    fewer = AudioViT("test_vit", n_mels=64, init=path).vit.pos_embed.reshape(4, 64, 64)
    torch.testing.assert_close(fewer[..., 1], grid[:4, :, 1] + 5)
