"""Stored features as a clip cache: `combine` lists the clips that have them, `open_features` opens
them for runs."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diccae.datasets.checksums import column
from diccae.datasets.clips import (
    OK,
    ClipCache,
    check_share,
    read_index,
    read_meta,
    training_rows,
    write_index,
    write_meta,
)
from diccae.datasets.features.parts import AGAIN, Part, read_parts
from diccae.datasets.modalities import ARRAYS
from diccae.digests import file_digest
from diccae.errors import UserError
from diccae.sections import Modality

# what a clip cache calls the array of a modality
ARRAY = {"audio": "fbank", "video": "frames"}
LETTER = {"audio": "A", "video": "V"}
BLOCK = 4096


class FeatureRows:
    """Features by row of the index: `rows[row]` is float16 (S, P, D), a read-only view.

    Args:
        parts: complete parts.
        keys: (N,) keys of the clips, empty for a clip without features.

    Raises:
        UserError: a part is missing, or no part has the features of a clip.
    """

    def __init__(self, folder: Path, parts: list[Part], keys: list[str]) -> None:
        self.parts = parts
        self.starts = np.cumsum([0] + [len(part.keys) for part in parts]).tolist()
        place = {key: row for row, key in enumerate(key for part in parts for key in part.keys)}
        lost = [key for key in keys if key and key not in place]
        if lost:
            raise UserError(
                f"{folder}: the features of {len(lost)} of {len(keys)} clips are gone, so a file "
                f"was removed; {AGAIN}"
            )
        self.places = [place[key] if key else -1 for key in keys]
        self.arrays = [part.open() for part in parts]
        shapes = {part.shape[1:] for part in parts}
        if len(shapes) > 1:
            raise UserError(
                f"{folder}: features of different shapes, {sorted(shapes)[0]} and "
                f"{sorted(shapes)[1]}; remove those that do not belong there"
            )
        self.shape = next(iter(shapes))

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, row: int) -> np.ndarray:
        place = self.places[row]
        if place < 0:
            raise IndexError(f"clip {row} has no features")
        part = bisect_right(self.starts, place) - 1
        return self.arrays[part][place - self.starts[part]]

    def blocks(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Features of some rows, float16 (n, S, P, D), in blocks."""
        for start in range(0, len(rows), BLOCK):
            yield np.stack([self[int(row)] for row in rows[start : start + BLOCK]])


def combine(
    folder: Path,
    manifest: Path,
    table: pd.DataFrame,
    keys: dict[str, list[str]],
    origins: dict[str, dict[str, Any]],
    max_bad_share: float,
) -> Path:
    """Write index.parquet and meta.json, whose presence says that the features are complete.

    Neither depends on how the clips were divided into parts.

    Args:
        folder: of the set of features.
        manifest: the manifest of the plan.
        table: its clips with `status` and `message`.
        keys: keys of all clips, by modality.
        origins: what the features were made from, by modality.
        max_bad_share: largest share of clips without features that is accepted, in [0, 1].

    Raises:
        UserError: more clips, or all of them, have no features; a part is damaged; the disk is
            full.
    """
    asked: Modality = "AV" if len(origins) == 2 else "A" if "audio" in origins else "V"
    check_share(manifest, table, max_bad_share, asked)
    usable = (table["status"] == OK).to_numpy()
    index = table.drop(columns=["decoder", *map(column, ARRAYS.values())], errors="ignore")
    described = {}
    for name, made in origins.items():
        own = [key if good else "" for key, good in zip(keys[name], usable, strict=True)]
        index[f"{name}_key"] = own
        rows = FeatureRows(folder / name, read_parts(folder / name, made), own)
        mean, std = _statistics(rows, training_rows(index))
        described[name] = {
            "made_from": made,
            "shape": list(rows.shape),
            "sha256": content_digest(rows, usable),
            "mean": mean.tolist(),
            "std": std.tolist(),
        }
    (folder / "meta.json").unlink(missing_ok=True)
    meta = {
        "mode": "features",
        "settings": {"modality": "".join(LETTER[name] for name in origins)},
        "manifest_sha256": file_digest(manifest),
        "clips": len(index),
        "counts": dict(sorted(Counter(index["status"]).items())),
        "features": described,
        "sha256": {"index": write_index(folder, index)},
    }
    return write_meta(folder, meta)


def content_digest(rows: FeatureRows, usable: np.ndarray) -> str:
    """SHA-256 of the features of all usable clips in the order of the index."""
    hasher = hashlib.sha256()
    for block in rows.blocks(np.flatnonzero(usable)):
        hasher.update(block.data)
    return hasher.hexdigest()


def _statistics(rows: FeatureRows, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (D,) of each value over clips, steps and patches; a value that
    does not vary has a standard deviation of 1."""
    width = rows.shape[-1]
    first, total, square, count = np.zeros(width), np.zeros(width), np.zeros(width), 0
    for number, block in enumerate(rows.blocks(chosen)):
        values = block.reshape(-1, width).astype(np.float64)
        if number == 0:
            # differences to a typical value lose less to rounding
            first = values.mean(0)
        values -= first
        total += values.sum(0)
        square += (values**2).sum(0)
        count += len(values)
    mean = total / count
    std = np.sqrt(np.maximum(square / count - mean**2, 0))
    return first + mean, np.where(std > 1e-6, std, 1.0)


def open_features(folder: Path, modalities: Collection[str]) -> ClipCache:
    """Open stored features as a clip cache: `fbank[row]` and `frames[row]` are the features of
    audio and video, float16 (S, P, D). Each part is compared with its SHA-256, once a process.

    Args:
        folder: of the set of features.
        modalities: `audio`, `video` or both.

    Raises:
        UserError: the features are incomplete or damaged, were made from another manifest, or lack
            a modality.
    """
    for name in ("meta.json", "index.parquet"):
        if not (folder / name).is_file():
            raise UserError(f"{folder}: no complete features ({name} is missing); {AGAIN}")
    manifest = folder.parent.parent / "manifest.parquet"
    changed = manifest.stat().st_mtime_ns if manifest.is_file() else None
    cache = _load(folder, (folder / "meta.json").stat().st_mtime_ns, changed)
    for name in modalities:
        rows = getattr(cache, ARRAY[name])
        if rows is None:
            raise UserError(
                f"{folder}: there are no features of {name}; add features.{name} to the plan, or "
                "leave its modality out"
            )
        if name not in cache.checked:
            damage = next(filter(None, (part.damage() for part in rows.parts)), None)
            if damage is not None:
                raise UserError(f"{damage}; {AGAIN}")
            cache.checked.add(name)
    return cache


@lru_cache(maxsize=4)
def _load(folder: Path, _meta_changed: int, manifest_changed: int | None) -> ClipCache:
    meta = read_meta(folder)
    require_same_clips(folder, meta, manifest_changed is not None)
    index = read_index(folder)
    arrays: dict[str, Any] = {"fbank": None, "frames": None}
    for name, stored in meta["features"].items():
        parts = read_parts(folder / name, stored["made_from"])
        arrays[ARRAY[name]] = FeatureRows(folder / name, parts, index[f"{name}_key"].tolist())
    return ClipCache(**arrays, index=index, meta=meta)


def require_same_clips(folder: Path, meta: dict[str, Any], manifest: bool = True) -> None:
    """Compare the manifest and the index with those that the features were completed with.

    Raises:
        UserError: the manifest lists other clips, or classes in another order; or the index is
            damaged.
    """
    path = folder.parent.parent / "manifest.parquet"
    if manifest and file_digest(path) != meta["manifest_sha256"]:
        raise UserError(
            f"{folder}: its features were listed for another {path}, with other clips, classes or "
            f"another order; {AGAIN}"
        )
    if file_digest(folder / "index.parquet") != meta["sha256"]["index"]:
        raise UserError(
            f"{folder}/index.parquet: it is not the file that was written with the features; "
            f"{AGAIN}"
        )
