"""The small convolutional encoders in every combination of memory formats."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from diccae.errors import UserError
from diccae.models.encoders import ConvEncoder


@pytest.mark.parametrize("channels", [1, 4])
def test_features_and_gradients_are_those_of_contiguous_layers_but_for_rounding(
    channels: int,
) -> None:
    inputs = torch.randn(3, channels, 20, 24)
    plain = ConvEncoder(channels, (5, 6, 7))
    plain(inputs).square().sum().backward()
    for formats in itertools.product((True, False), repeat=3):
        other = ConvEncoder(channels, (5, 6, 7), formats)
        other.load_state_dict(plain.state_dict())
        assert torch.allclose(other(inputs), plain(inputs), atol=1e-6)
        other(inputs).square().sum().backward()
        for mine, theirs in zip(other.parameters(), plain.parameters(), strict=True):
            assert torch.allclose(mine.grad, theirs.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 4])
def test_each_layer_computes_in_its_format(channels: int) -> None:
    """PyTorch takes a single channel for contiguous, whatever format was asked for."""
    formats = (True, False, True)
    encoder = ConvEncoder(channels, (5, 6, 7), formats)
    found = []
    for layer in encoder.layers:
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(
                lambda _, __, output: found.append(
                    output.is_contiguous(memory_format=torch.channels_last)
                )
            )
    encoder(torch.randn(3, channels, 40, 48))
    assert tuple(found) == formats


def test_one_format_a_layer() -> None:
    with pytest.raises(UserError, match="wanted 2 values, one for each of `widths`, got 1;"):
        ConvEncoder(1, (4, 5), [True])
