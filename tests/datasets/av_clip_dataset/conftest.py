"""A cache of clips of noise, of known splits, labels and sources."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from diccae.datasets.checksums import checksums
from diccae.datasets.clips import write_index, write_meta
from diccae.digests import file_digest

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
            "group": [f"recording-{row:03d}" for row in range(count)],
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
    frames = rng.integers(0, 256, (count, 4, 8, 8, 3), np.uint8)
    fbank = rng.normal(size=(count, 5, 3)).astype(np.float16)
    np.save(folder / "frames.npy", frames)
    np.save(folder / "fbank.npy", fbank)
    status = ["silent" if row == 41 else "ok" for row in range(count)]
    index = pd.concat([manifest, checksums(frames, fbank)], axis=1).assign(status=status)
    digest = write_index(folder, index)
    manifest_digest = file_digest(root / "manifest.parquet")
    write_meta(folder, {"manifest_sha256": manifest_digest, "sha256": {"index": digest}})
    return str(folder)
