"""A plan on stored features: rendered clips, a random CAV-MAE for sound, a tiny ViT for frames."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import timm
import torch

from diccae.plans import Plan
from tests.conftest import tiny_plan
from tests.models.vit_samples import cav_mae

ADAPTER = {"type": "FeatureAdapter", "in_features": 64, "out_features": 32, "hidden": 32}


def write_weights(folder: Path, seed: int = 0) -> None:
    """Write random checkpoints of both encoders: cav_mae.pth and vit.pth."""
    torch.manual_seed(seed)
    torch.save(cav_mae(seed=seed), folder / "cav_mae.pth")
    torch.save(timm.create_model("test_vit", img_size=32).state_dict(), folder / "vit.pth")


def share_clips(data: Path, folder: Path) -> Path:
    """A data folder with the manifest and the cache of another one, and room for features."""
    folder.mkdir()
    shutil.copy(data / "manifest.parquet", folder)
    for name in ("cache", "clips"):
        (folder / name).symlink_to(data / name)
    return folder


def sources(folder: Path) -> dict[str, Any]:
    """The section `features` for the checkpoints in a folder."""
    return {
        "name": "tiny",
        "audio": {
            "encoder": "cav_mae",
            "model": "test_vit",
            "weights": str(folder / "cav_mae.pth"),
        },
        "video": {
            "encoder": "timm",
            "model": "test_vit",
            "weights": str(folder / "vit.pth"),
            "steps": 2,
        },
        "dropout": 0.1,
    }


def feature_plan(folder: Path, data: Path, features: dict[str, Any], **overrides: Any) -> Plan:
    """The tiny plan on stored features, with further overrides."""
    own = {
        "features": features,
        "audio_encoder": ADAPTER,
        "video_encoder": ADAPTER,
        "embedding_dim": 32,
        "data.num_frames": 1,
    }
    return tiny_plan(folder, data, **(own | overrides))
