"""A small MBT, and its forward pass in NumPy, written from the paper's definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import erf

from diccae import registry  # noqa: F401
from diccae.models.systems.mbt import MBT

DEPTH, CLASSES = 4, 5
Arrays = dict[str, NDArray[np.float64]]


def untrained(
    modalities: tuple[str, ...] = ("audio", "video"),
    width: int = 12,
    heads: int = 3,
    depth: int = DEPTH,
    audio: tuple[tuple[int, int], tuple[int, int]] = ((6, 4), (3, 2)),
    **options: Any,
) -> MBT:
    """A small network in float64, by default with 4 tokens of audio and 6 of video."""
    common = dict(width=width, depth=depth, heads=heads)
    video = dict(size=(2, 4, 6), patch=(1, 4, 2), channels=1)
    return MBT(
        modalities,
        CLASSES,
        audio_encoder=dict(type="AudioTokens", size=audio[0], patch=audio[1], **common),
        video_encoder=dict(type="VideoTokens", **video, **common),
        **options,
    ).double()


def mbt(*arguments: Any, **options: Any) -> MBT:
    """As `untrained`, with random weights everywhere, also in the head."""
    model = untrained(*arguments, **options)
    for weights in model.parameters():
        scale = weights.shape[-1] ** -0.5 if weights.dim() == 2 else 1.0
        torch.nn.init.normal_(weights, std=scale)
    return model.eval()


def inputs(views: int = 1, audio: tuple[int, int] = (6, 4)) -> dict[str, torch.Tensor]:
    return {
        "audio": torch.randn(3, 1, *audio, dtype=torch.float64, requires_grad=True),
        "video": torch.randn(3, views, 2, 4, 6, dtype=torch.float64, requires_grad=True),
    }


def layer_norm(x: NDArray[np.float64], weights: Arrays, name: str) -> NDArray[np.float64]:
    centred = x - x.mean(-1, keepdims=True)
    spread = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)
    return centred / spread * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def linear(x: NDArray[np.float64], weights: Arrays, name: str) -> NDArray[np.float64]:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def block(x: NDArray[np.float64], weights: Arrays, name: str, heads: int) -> NDArray[np.float64]:
    """A pre-norm transformer block on the tokens (N, D) of one clip."""
    query, key, value = np.split(
        linear(layer_norm(x, weights, f"{name}.norm1"), weights, f"{name}.attn.qkv"), 3, axis=1
    )
    found = []
    for q, k, v in zip(*(np.split(part, heads, axis=1) for part in (query, key, value)), strict=1):
        similarity = np.exp(q @ k.T / np.sqrt(q.shape[1]))
        found.append(similarity / similarity.sum(1, keepdims=True) @ v)
    x = x + linear(np.concatenate(found, axis=1), weights, f"{name}.attn.proj")
    hidden = linear(layer_norm(x, weights, f"{name}.norm2"), weights, f"{name}.mlp.fc1")
    hidden = hidden * (1 + erf(hidden / np.sqrt(2))) / 2
    return x + linear(hidden, weights, f"{name}.mlp.fc2")


def slow_logits(
    model: MBT, clip: dict[str, torch.Tensor], heads: int, fusion_layer: int, fusion: str
) -> dict[str, NDArray[np.float64]]:
    """Logits (C,) by modality of one clip, layer by layer and token by token."""
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    streams = {}
    for name, value in clip.items():
        encoder: Any = model.encoders[name]
        place = f"encoders.{name}"
        tokens = linear(encoder.patches(value)[0].numpy(), weights, f"{place}.projection")
        tokens = tokens + weights[f"{place}.positions"][0]
        if f"class_tokens.{name}" in weights:
            tokens = np.concatenate([weights[f"class_tokens.{name}"][0], tokens])
        streams[name] = tokens
    shared = weights["bottlenecks"][0] if "bottlenecks" in weights else np.empty((0, 0))
    for layer in range(model.depth):
        before, updates = dict(streams), []
        for name, own in before.items():
            place = f"encoders.{name}.blocks.{layer}"
            if layer < fusion_layer:
                read = own
            elif fusion == "bottleneck":
                read = np.concatenate([own, shared])
            else:
                read = np.concatenate([own, *(x for key, x in before.items() if key != name)])
            after = block(read, weights, place, heads)
            streams[name] = after[: len(own)]
            updates.append(after[len(own) :])
        if layer >= fusion_layer and fusion == "bottleneck":
            shared = (updates[0] + updates[1]) / 2
    found = {}
    for name, tokens in streams.items():
        normalised = layer_norm(tokens, weights, "norm")
        feature = normalised[0] if model.pooling == "class_token" else normalised.mean(0)
        found[name] = linear(feature, weights, "head")
    return found
