"""Random clips in the shapes of a plan, to time models and loading without any data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mmaction.registry import DATASETS
from mmengine.config import ConfigDict

from diccae.datasets.checksums import checksums
from diccae.datasets.clips import write_index, write_meta
from diccae.datasets.features.parts import write_part
from diccae.feature_settings import Features, features_of, stored_shape
from diccae.plans import Plan
from diccae.run_graph import Run
from diccae.settings import plan_settings

CLIPS = 32


def write_synthetic_cache(plan: Plan, runs: list[Run], folder: Path) -> Path:
    """Write a clip cache of random frames and log-mels in the plan's shapes.

    Args:
        plan: gives the shapes.
        runs: the runs to time; labels are below the smallest number of classes among them.
        folder: the folder to create; it is also returned.
    """
    settings = plan_settings(plan)
    cache, data = settings["cache"], settings["data"]
    folder.mkdir()
    # several clips of each class in a row, as in P x K batches
    classes = min(run.config().model.num_classes for run in runs)
    labels = np.arange(CLIPS) // data["samples_per_class"] % classes
    index = pd.DataFrame(
        {
            "id": np.arange(CLIPS).astype(str),
            "split": "train",
            "source": "",
            "label": labels,
            "label_name": labels.astype(str),
            "status": "ok",
        }
    )
    features = features_of(settings)
    if features is not None:
        _write_features(features, settings, index, folder)
        return folder
    rng = np.random.default_rng(0)
    size = cache["frame_size"]
    arrays = {}
    if "V" in plan.modality:
        shape = (CLIPS, cache["num_frames"], size, size, 3)
        arrays["frames"] = rng.integers(0, 256, shape, np.uint8)
    if "A" in plan.modality:
        fbank = rng.normal(size=(CLIPS, cache["fbank_frames"], cache["n_mels"]))
        arrays["fbank"] = fbank.astype(np.float16)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    digest = write_index(folder, pd.concat([index, checksums(**arrays)], axis=1))
    meta = {"settings": {"modality": plan.modality}, "fbank_mean": 0.0, "fbank_std": 1.0}
    write_meta(folder, {**meta, "sha256": {"index": digest}})
    return folder


def _write_features(
    features: Features, settings: dict[str, Any], index: pd.DataFrame, folder: Path
) -> None:
    """Write random features in the plan's shapes."""
    rng, described = np.random.default_rng(0), {}
    for name, source in features.sources.items():
        shape = stored_shape(name, source, settings)
        values = rng.normal(size=(CLIPS, *shape)).astype(np.float16)
        (folder / name).mkdir()
        index[f"{name}_key"] = index["id"]
        write_part(folder / name, values, index["id"].tolist(), {})
        described[name] = {"made_from": {}, "mean": [0.0] * shape[2], "std": [1.0] * shape[2]}
    digest = write_index(folder, index)
    meta = {"mode": "features", "features": described, "sha256": {"index": digest}}
    write_meta(folder, meta)


def synthetic_dataset(config: ConfigDict, folder: Path) -> Any:
    """The dataset of a run's config with its pipeline, over all clips of a synthetic cache."""
    own = {key: config[key] for key in ("type", "pipeline", "seed", "modalities")}
    return DATASETS.build({**own, "cache_dir": str(folder), "splits": ["train"]})
