"""A plan on stored features: rendered clips, a random CAV-MAE for sound, a tiny ViT for frames."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import timm
import torch
import yaml

from diccae.plans import CONFIG_ROOT, Plan, load_plan
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
    """The plan `vggsound-frozen` on the tiny data, with tiny encoders and short schedules, and with
    further overrides; written to and run in `folder`."""
    content = yaml.safe_load((CONFIG_ROOT / "plans" / "vggsound-frozen.yaml").read_text())
    del content["lists"]
    sizes = {
        "cache": {"frame_size": 36, "num_frames": 16, "n_mels": 64, "fbank_frames": 64},
        "data": {"num_classes": 12, "frame_size": 32, "update_per_class": 3},
        "schedule.warmup": {"epochs": 1, "batch_size": 16},
        "schedule.pretrain": {"epochs": 2, "batch_size": 16},
        "schedule.finetune": {"epochs": 2, "batch_size": 16},
        "method": {"kmeans_k": 6, "kmeans_restarts": 2, "refine_every": 1},
    }
    own = {
        "features": features,
        "audio_encoder": ADAPTER,
        "video_encoder": ADAPTER,
        "embedding_dim": 32,
        "data.update_unlabelled": 48,
        "schedule.views": 2,
        **{f"{part}.{key}": n for part, values in sizes.items() for key, n in values.items()},
    }
    variants = ["full", "from_scratch", "no_confusion_loss"]
    content |= {
        "name": "mini",
        "data_root": str(data),
        "seeds": [0],
        "table2": content["table2"] | {"variants": variants},
        "overrides": own | overrides,
    }
    path = folder / "mini.yaml"
    path.write_text(yaml.safe_dump(content))
    return load_plan(path)


def plan_on(folder: Path, built: Path, **overrides: Any) -> Plan:
    """The plan on the data in a folder, with the weights that its features were made with."""
    return feature_plan(folder, folder / "data", sources(built), **overrides)
