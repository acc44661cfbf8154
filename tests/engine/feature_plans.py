"""A plan on stored features: rendered clips, a random CAV-MAE for sound, a tiny ViT for frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import timm
import torch

from diccae.plans import Plan
from tests.conftest import tiny_plan
from tests.models.vit_samples import cav_mae

ADAPTER = {"type": "FeatureAdapter", "in_features": 64, "out_features": 32, "hidden": 32}


def weights(folder: Path) -> dict[str, str]:
    """Checkpoints of both encoders, written to a folder."""
    torch.manual_seed(0)
    paths = {"audio": folder / "cav_mae.pth", "video": folder / "vit.pth"}
    torch.save(cav_mae(), paths["audio"])
    torch.save(timm.create_model("test_vit").state_dict(), paths["video"])
    return {name: str(path) for name, path in paths.items()}


def feature_plan(folder: Path, data: Path, **overrides: Any) -> Plan:
    """The tiny plan on stored features, with further overrides."""
    files = weights(folder)
    features = {
        "name": "tiny",
        "audio": {"encoder": "cav_mae", "model": "test_vit", "weights": files["audio"]},
        "video": {
            "encoder": "timm",
            "model": "test_vit",
            "weights": files["video"],
            "steps": 2,
        },
    }
    own = {
        "features": features,
        "audio_encoder": ADAPTER,
        "video_encoder": ADAPTER,
        "embedding_dim": 32,
        "data.num_frames": 1,
    }
    return tiny_plan(folder, data, **(own | overrides))
