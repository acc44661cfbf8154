"""Random checkpoints with the keys of CAV-MAE, and preprocessed clips."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from diccae.models.av_preprocessor import AVPreprocessor

# model -> width, heads, hidden width of the MLP, blocks of a modality; there is one joint block
TINY = {"test_vit": (64, 2, 192, 5), "vit_tiny_patch16_224": (192, 3, 768, 11)}
ATTENTION = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
NORMS = ("norm1", "norm1_a", "norm1_v", "norm2", "norm2_a", "norm2_v")


def cav_mae(model: str = "test_vit", seed: int = 0) -> dict[str, Tensor]:
    """A random state dict with the keys of a CAV-MAE checkpoint, at a smaller width."""
    width, _, hidden, depth = TINY[model]
    decoder = 16
    shapes: dict[str, tuple[int, ...]] = {
        "modality_a": (1, 1, width),
        "modality_v": (1, 1, width),
        "pos_embed_a": (1, 512, width),
        "pos_embed_v": (1, 196, width),
        "mask_token": (1, 1, decoder),
        "decoder_modality_a": (1, 1, decoder),
        "decoder_modality_v": (1, 1, decoder),
        "decoder_pos_embed_a": (1, 512, decoder),
        "decoder_pos_embed_v": (1, 196, decoder),
        "patch_embed_a.proj.weight": (width, 1, 16, 16),
        "patch_embed_a.proj.bias": (width,),
        "patch_embed_v.proj.weight": (width, 3, 16, 16),
        "patch_embed_v.proj.bias": (width,),
    }

    def block(name: str, size: int, inner: int) -> None:
        outer = {
            "attn.qkv": (3 * size, size),
            "attn.proj": (size, size),
            "mlp.fc1": (inner, size),
            "mlp.fc2": (size, inner),
        }
        for layer in ATTENTION:
            shapes[f"{name}.{layer}.weight"], shapes[f"{name}.{layer}.bias"] = (
                outer[layer],
                outer[layer][:1],
            )
        for layer in NORMS:
            shapes[f"{name}.{layer}.weight"] = shapes[f"{name}.{layer}.bias"] = (size,)

    for index in range(depth):
        block(f"blocks_a.{index}", width, hidden)
        block(f"blocks_v.{index}", width, hidden)
    block("blocks_u.0", width, hidden)
    block("decoder_blocks.0", decoder, 4 * decoder)
    for name in ("norm_a", "norm_v", "norm"):
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (width,)
    for name, size in (
        ("decoder_embed", (decoder, width)),
        ("decoder_pred_a", (256, decoder)),
        ("decoder_pred_v", (768, decoder)),
    ):
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = size, size[:1]
    shapes["decoder_norm.weight"] = shapes["decoder_norm.bias"] = (decoder,)

    generator = torch.Generator().manual_seed(seed)
    state = {}
    for key, shape in shapes.items():
        value = torch.randn(shape, generator=generator) / math.sqrt(math.prod(shape[1:]) or 1)
        state[f"module.{key}"] = value + 1 if "norm" in key and key.endswith("weight") else value
    return state


def saved(state: Any, path: Path) -> str:
    torch.save(state, path)
    return str(path)


def columns(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None, None]


def preprocessed(folder: Path, clip: Tensor) -> Tensor:
    """What the recogniser is given of one clip (V, T, 3, H, W) of uint8 frames."""
    meta = folder / "meta.json"
    meta.write_text(json.dumps({"fbank_mean": 0.0, "fbank_std": 1.0}))
    preprocessor = AVPreprocessor(str(meta), {"freq_mask": 0, "time_mask": 0})
    return preprocessor({"inputs": {"video": [clip]}})["inputs"]["video"]
