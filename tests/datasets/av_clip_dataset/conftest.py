"""A cache of clips of noise, of known splits, labels and sources."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

SPLITS = {"unlabelled": 40, "train": 30, "update": 18, "test": 12}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """100 clips of noise in three classes; row 41 (train) cannot be used."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    split = np.repeat(list(SPLITS), list(SPLITS.values()))
    count = len(split)
    manifest = pd.DataFrame(
        {
            "id": [f"clip-{row:03d}" for row in range(count)],
            "split": split,
            "label": np.where(split == "unlabelled", -1, np.arange(count) % 3),
            "source": ["north" if row % 2 else "south" for row in range(count)],
        }
    )
    manifest["label_name"] = [
        ("walk", "fall", "clap")[label] if label >= 0 else "" for label in manifest["label"]
    ]
    manifest.to_parquet(root / "manifest.parquet", index=False)
    folder = root / "cache"
    folder.mkdir()
    np.save(folder / "frames.npy", rng.integers(0, 256, (count, 4, 8, 8, 3), np.uint8))
    np.save(folder / "fbank.npy", rng.normal(size=(count, 5, 3)).astype(np.float16))
    manifest.assign(
        status=["silent" if row == 41 else "ok" for row in range(count)], message=""
    ).to_parquet(folder / "index.parquet", index=False)
    digest = hashlib.sha256((root / "manifest.parquet").read_bytes()).hexdigest()
    Path(folder, "meta.json").write_text(json.dumps({"manifest_sha256": digest}))
    return str(folder)
