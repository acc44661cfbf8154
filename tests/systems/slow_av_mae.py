"""AudiovisualMAE's pre-training written from the paper, in NumPy, and small networks to compare."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from diccae.models.systems.av_mae import AudiovisualMAE
from tests.systems.slow_mbt import block, layer_norm, linear

AUDIO = dict(type="mmaction.AudioTokens", size=(8, 4), patch=(2, 2))
VIDEO = dict(type="mmaction.VideoTokens", size=(4, 4, 6), patch=(2, 2, 2), channels=1)
# of 8 tokens of audio and 12 of video
MASKED = {"audio": 4, "video": 10}


def autoencoders(
    trained: bool = True,
    width: int = 12,
    depth: int = 2,
    heads: int = 3,
    decoder: tuple[int, int] = (8, 2),
) -> AudiovisualMAE:
    """A network in float64, with random weights everywhere if `trained`; `decoder`:
    its width and heads."""
    encoder = dict(width=width, depth=depth, heads=heads, positions="sinusoidal")
    model = AudiovisualMAE(
        ("audio", "video"),
        num_classes=5,
        audio_masked=0.5,
        video_masked=0.9,
        decoder=dict(width=decoder[0], depth=depth, heads=decoder[1]),
        audio_encoder=AUDIO | encoder,
        video_encoder=VIDEO | encoder,
    )
    for weights in model.parameters():
        if trained and weights.requires_grad:
            torch.nn.init.normal_(weights, std=width**-0.5)
    return model.double()


def batch() -> dict[str, Tensor]:
    return {
        "audio": torch.randn(3, 1, 8, 4, dtype=torch.float64, requires_grad=True),
        "video": torch.randn(3, 1, 4, 4, 6, dtype=torch.float64, requires_grad=True),
    }


def patches(name: str, clip: np.ndarray) -> np.ndarray:
    """The values of each patch (N, P) of the input of one clip."""
    if name == "audio":
        # mel bands are the rows
        image = clip[0].T
        cut = [image[r : r + 2, t : t + 2] for r in range(0, 4, 2) for t in range(0, 8, 2)]
    else:
        cut = [
            clip[t : t + 2, r : r + 2, c : c + 2]
            for t in range(0, 4, 2)
            for r in range(0, 4, 2)
            for c in range(0, 6, 2)
        ]
    return np.stack([part.ravel() for part in cut])


def positions(count: int, width: int) -> np.ndarray:
    found = np.zeros((count, width))
    for place in range(count):
        for index in range(width // 2):
            angle = place / 10_000 ** (2 * index / width)
            found[place, index] = np.sin(angle)
            found[place, width // 2 + index] = np.cos(angle)
    return found


def slow_error(
    model: AudiovisualMAE, name: str, clip: np.ndarray, visible: list[int]
) -> np.ndarray:
    """Squared errors of the values of the masked patches of one clip, token by token."""
    weights = {key: value.numpy() for key, value in model.state_dict().items()}
    of: Any = model.encoders[name]
    decoder: Any = model.decoder
    encoder, values = f"encoders.{name}", patches(name, clip)
    tokens = linear(values, weights, f"{encoder}.projection") + positions(len(values), of.width)
    encoded = tokens[visible]
    for layer, own in enumerate(of.blocks):
        encoded = block(encoded, weights, f"{encoder}.blocks.{layer}", own.attn.num_heads)
    encoded = layer_norm(encoded, weights, f"{encoder}.norm")
    mask_token = weights[f"decoder.mask_tokens.{name}"]
    decoded = np.stack([mask_token] * len(values))
    for row, place in zip(encoded, visible, strict=True):
        decoded[place] = linear(row, weights, f"decoder.projections.{name}")
    decoded = decoded + positions(len(values), len(mask_token))
    for layer, shared in enumerate(decoder.blocks):
        decoded = block(decoded, weights, f"decoder.blocks.{layer}", shared.attn.num_heads)
    predicted = linear(
        layer_norm(decoded, weights, "decoder.norm"), weights, f"decoder.outputs.{name}"
    )
    masked = sorted(set(range(len(values))) - set(visible))
    return (predicted[masked] - values[masked]) ** 2
