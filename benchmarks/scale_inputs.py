"""The synthetic inputs of `scale.py`."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from diccae.datasets.checksums import checksums
from diccae.datasets.clips import write_index, write_meta
from diccae.datasets.readers.columns import join, text
from diccae.datasets.readers.manifest import COLUMNS, write_manifest
from diccae.engine.records import write_atomically

SOURCES = {"audioset": 0.88, "vggsound": 0.08, "epic_kitchens": 0.03, "ucf101": 0.01}


def make_inputs(root: Path, rows: int, width: int, clusters: int) -> None:
    """Write the synthetic inputs to a folder.

    These are manifest.parquet, a clip cache of one value for each clip, the initial clusters in
    first.npz, and features.npy, float32 (rows, width), random points of overlapping groups.
    """
    number = np.arange(rows)
    video = text(pc.utf8_lpad(pa.array(number).cast(pa.string()), 11, "v"))
    start = (number * 7) % 600
    clip = join(video, "_", text(pc.utf8_lpad(pa.array(start).cast(pa.string()), 6, "0")))
    source = np.repeat(
        list(SOURCES), np.diff([0, *(rows * np.cumsum(list(SOURCES.values()))).round().astype(int)])
    )
    source = text(pa.array(source, pa.large_string()))
    empty = text(pa.array(np.full(rows, ""), pa.large_string()))
    unlabelled = text(pa.array(np.full(rows, "unlabelled"), pa.large_string()))
    columns = {
        "id": clip,
        "path": join(source, "/", clip, ".mp4"),
        "start": start.astype(float),
        "end": start + 10.0,
    }
    columns |= {
        "label_name": empty,
        "label": np.full(rows, -1, np.int32),
        "split": unlabelled,
        "source": source,
    }
    columns |= {"video": video, "group": video, "fold": np.full(rows, -1, np.int32)}
    table = pd.DataFrame(columns)[COLUMNS]
    write_manifest(table, root / "manifest.parquet")

    cache = root / "cache"
    cache.mkdir()
    frames = np.lib.format.open_memmap(
        cache / "frames.npy", mode="w+", dtype=np.uint8, shape=(rows, 1, 1, 1, 3)
    )
    fbank = np.lib.format.open_memmap(
        cache / "fbank.npy", mode="w+", dtype=np.float16, shape=(rows, 1, 1)
    )
    index = table.assign(
        status=text(pa.array(np.full(rows, "ok"), pa.large_string())), message=empty
    )
    digest = write_index(cache, pd.concat([index, checksums(frames, fbank)], axis=1))
    manifest = hashlib.sha256((root / "manifest.parquet").read_bytes()).hexdigest()
    write_meta(cache, {"manifest_sha256": manifest, "sha256": {"index": digest}})

    generator = np.random.default_rng(0)
    group = generator.integers(0, clusters, rows).astype(np.int32)
    ids = clip.to_numpy(dtype=str)
    write_atomically(root / "first.npz", {"ids": ids, "epochs": np.array([0]), "assign_0": group})
    centers = generator.standard_normal((clusters, width), np.float32)
    features = np.lib.format.open_memmap(
        root / "features.npy", mode="w+", dtype=np.float32, shape=(rows, width)
    )
    for begin in range(0, rows, 65536):
        part = group[begin : begin + 65536]
        features[begin : begin + len(part)] = centers[part] + generator.standard_normal(
            (len(part), width), np.float32
        )
