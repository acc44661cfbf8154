"""Patches, positions and features of the token encoders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers.models.vit_mae.modeling_vit_mae import build_2d_sinusoidal_position_embedding

from diccae.errors import UserError
from diccae.models.tokens import (
    AudioTokens,
    TokenEncoder,
    VideoTokens,
    grid_sinusoids,
    sinusoids,
)

SMALL = dict(width=8, depth=2, heads=2)


def audio(**options: object) -> AudioTokens:
    return AudioTokens((8, 6), (4, 2), **(SMALL | options))


def video(**options: object) -> VideoTokens:
    return VideoTokens((4, 4, 6), (2, 2, 3), 3, **(SMALL | options))


def test_audio_patches_are_cut_mel_band_by_mel_band() -> None:
    encoder, inputs = audio(), torch.arange(2 * 8 * 6.0).view(2, 1, 8, 6)
    patches = encoder.patches(inputs)
    assert patches.shape == (2, encoder.num_tokens, encoder.patch_values) == (2, 6, 8)
    mels_by_time = inputs[:, 0].numpy().transpose(0, 2, 1)
    wanted = [
        mels_by_time[:, row : row + 2, column : column + 4].reshape(2, -1)
        for row in range(0, 6, 2)
        for column in range(0, 8, 4)
    ]
    np.testing.assert_array_equal(patches.numpy(), np.stack(wanted, axis=1))


def test_tubelets_are_cut_frame_by_frame() -> None:
    encoder, inputs = video(), torch.arange(2 * 12 * 4 * 6.0).view(2, 12, 4, 6)
    patches = encoder.patches(inputs)
    assert patches.shape == (2, encoder.num_tokens, encoder.patch_values) == (2, 8, 36)
    frames = inputs.numpy().reshape(2, 4, 3, 4, 6).transpose(0, 1, 3, 4, 2)
    wanted = [
        frames[:, time : time + 2, row : row + 2, column : column + 3].reshape(2, -1)
        for time in (0, 2)
        for row in (0, 2)
        for column in (0, 3)
    ]
    np.testing.assert_array_equal(patches.numpy(), np.stack(wanted, axis=1))


def test_permuting_tokens_with_their_positions_changes_nothing() -> None:
    encoder = video().double().eval()
    inputs = torch.randn(2, 12, 4, 6, dtype=torch.float64)
    tokens = encoder.embed(inputs)[:, torch.randperm(encoder.num_tokens)]
    for block in encoder.blocks:
        tokens = block(tokens)
    torch.testing.assert_close(encoder.norm(tokens).mean(1), encoder(inputs))


@pytest.mark.parametrize("encoder", [audio(), video()])
def test_every_parameter_has_a_gradient(encoder: TokenEncoder) -> None:
    channels = 12 if isinstance(encoder, VideoTokens) else 1
    shape = (4, 6) if channels == 12 else (8, 6)
    encoder(torch.randn(2, channels, *shape)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())


@pytest.mark.parametrize("width", [16, 256])
def test_linear_layers_start_with_outputs_of_the_size_of_their_inputs(width: int) -> None:
    for block in audio(width=width).blocks:
        for layer in (block.attn.qkv, block.attn.proj, block.mlp.fc1, block.mlp.fc2):
            assert 0.5 < layer(torch.randn(64, layer.in_features)).std() < 2


def test_the_blocks_are_what_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []

    def compile(call: Any, **options: Any) -> Any:
        compiled.append(call.__self__)
        return call

    monkeypatch.setattr(torch, "compile", compile)
    encoder = audio()
    names = list(encoder.state_dict())
    encoder.compile()
    assert list(encoder.state_dict()) == names
    assert compiled == list(encoder.blocks)


def test_sinusoids_are_those_of_the_formula() -> None:
    table = sinusoids(5, 6).numpy()
    for position in range(5):
        for index in range(3):
            angle = position / 10_000 ** (2 * index / 6)
            assert table[position, index] == pytest.approx(np.sin(angle), abs=1e-6)
            assert table[position, 3 + index] == pytest.approx(np.cos(angle), abs=1e-6)
    fixed = audio(positions="sinusoidal")
    assert not fixed.positions.requires_grad
    np.testing.assert_allclose(fixed.positions[0].numpy(), sinusoids(6, 8).numpy())


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UserError, match="8 x 6 does not divide into patches of 3 x 4"):
        AudioTokens((6, 8), (4, 3), **SMALL)
    with pytest.raises(UserError, match="3 heads do not divide the width 8"):
        audio(heads=3)
    with pytest.raises(UserError, match=r"AudioTokens: wanted inputs of shape \(B, 1, 8, 6\)"):
        audio()(torch.zeros(2, 1, 6, 8))
    with pytest.raises(UserError, match=r"VideoTokens: wanted inputs of shape \(B, 12, 4, 6\)"):
        video()(torch.zeros(2, 4, 4, 6))


def test_grid_sinusoids_are_those_of_mae() -> None:
    rows, columns = build_2d_sinusoidal_position_embedding(3, 5, 8).chunk(2, dim=1)
    # MAE has the columns first
    wanted = torch.cat([columns, rows], dim=1)
    torch.testing.assert_close(grid_sinusoids((3, 5), 8), wanted)
    assert torch.equal(grid_sinusoids((1, 3, 5), 8), grid_sinusoids((3, 5), 8))
    # columns, then rows, then frames
    table = grid_sinusoids((2, 3, 4), 12).view(2, 3, 4, 12)
    for axis, length in enumerate((2, 3, 4)):
        part = table[..., 8 - 4 * axis : 12 - 4 * axis].movedim(axis, 0)
        torch.testing.assert_close(part[:, 0, 0], sinusoids(length, 4))
        assert torch.equal(part, part[:, :1, :1].expand_as(part))
    with pytest.raises(ValueError, match="3 axes: wanted a width that divides by 6, got 8"):
        grid_sinusoids((2, 3, 4), 8)
