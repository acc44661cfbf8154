"""Whether the data of a plan are still those that its cache was made from.

`diccae doctor` and `diccae verify` report what is found here; nothing is changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diccae.datasets.benchmark.check import rendered_differences
from diccae.datasets.checksums import column, damaged_rows
from diccae.datasets.clip_files import (
    ABSENT,
    Stamp,
    clip_digest,
    clip_path,
    is_replaced,
    known_stamps,
    stamp,
)
from diccae.datasets.clips import OK, read_index, read_meta
from diccae.datasets.ledger_files import is_edited
from diccae.datasets.list_changes import list_changes
from diccae.datasets.modalities import ARRAYS
from diccae.datasets.packed_frames import stored_rows
from diccae.digests import file_digest
from diccae.errors import UserError
from diccae.plans import Plan
from diccae.sections import Modality


@dataclass(frozen=True)
class Problem:
    """What is wrong with the data of a plan.

    Attributes:
        where: file or folder.
        message: what was found there.
        way_out: what to do.
        wrong: False for what a reader should know but no number depends on.
    """

    where: str
    message: str
    way_out: str
    wrong: bool = True


def data_problems(plan: Plan, *, settings: dict[str, Any], clips: bool = False) -> list[Problem]:
    """Compare manifest, cache, clips, truth and ledger with the digests that were written with
    them.

    The arrays of the cache are read whole. A clip is read where its size or modification time has
    changed.

    Args:
        plan: has a manifest and a cache.
        settings: the section `cache` of the plan's settings.
        clips: whether to read every clip.
    """
    again = f"diccae data cache --plan {plan.name}"
    folder = plan.cache_dir
    try:
        meta = read_meta(folder)
    except UserError as error:
        return [Problem(str(folder / "meta.json"), _words(folder / "meta.json", error), again)]
    found = []
    if meta["manifest_sha256"] != file_digest(plan.manifest):
        words = "is not the manifest that the cache was built from"
        found.append(Problem(str(plan.manifest), words, again))
    asked = {**settings, "modality": plan.modality}
    made = dict(meta.get("settings", {}))
    if made and "V" in plan.modality and meta.get("mode") != "live":
        # absent where it is the default
        asked, made = {"format": "raw", **asked}, {"format": "raw", **made}
    other = {
        name: (value, asked[name])
        for name, value in made.items()
        if name in asked and asked[name] != value
    }
    if other:
        name, (value, wanted) = next(iter(other.items()))
        key = name if name == "modality" else f"cache.{name}"
        words = f"was made with {key} = {value}, the plan says {wanted}"
        found.append(Problem(str(folder), words, again))
    found += _arrays(folder, meta, again)
    found += _clips(plan, meta, again, every=clips)
    found += _ledger(plan.manifest, plan.modality)
    render = f"diccae data render --plan {plan.name}"
    found += [
        Problem(str(path), words, render)
        for path, words in rendered_differences(plan.manifest.parent)
    ]
    changes = list_changes(plan.lists, plan.manifest, plan.split_into) if plan.lists else None
    if changes:
        words, wrong = changes
        way_out = f"diccae data manifest --plan {plan.name}"
        found.append(Problem(str(plan.manifest), words, way_out, wrong))
    return found


def _ledger(manifest: Path, modality: Modality) -> list[Problem]:
    path = manifest.with_name("ledger.parquet")
    way_out = f"diccae data check --manifest {manifest} --out {path} --modality {modality}"
    try:
        if path.is_file() and is_edited(path):
            return [Problem(str(path), "was edited after the clips were checked", way_out)]
    except UserError as error:
        return [Problem(str(path), _words(path, error), f"remove it, then {way_out}")]
    return []


def _words(path: Path, error: UserError) -> str:
    """An error of a file without the file and the way out."""
    return str(error).removeprefix(f"{path}").lstrip(": ").split("; ")[0]


def _arrays(folder: Path, meta: dict[str, Any], again: str) -> list[Problem]:
    """Index and arrays of the cache; the first damaged clip is named."""
    found: list[Problem] = []
    index = _index(folder)
    for name, stated in meta.get("sha256", {}).items():
        path = folder / (f"{name}.npy" if name in ARRAYS.values() else f"{name}.parquet")
        if not path.is_file():
            words = "is not here, so it was not checked"
            found.append(Problem(str(path), words, again, wrong=False))
        elif file_digest(path) != stated:
            words = "is not the file that was written with the cache"
            found.append(Problem(str(path), words + _first_damaged(path, index), again))
    return found


def _first_damaged(path: Path, index: pd.DataFrame | None) -> str:
    """How many clips of an array are damaged, and the id of the first; empty where it is
    unknown."""
    if index is None or path.stem not in ARRAYS.values() or column(path.stem) not in index:
        return ""
    usable = np.flatnonzero(index["status"] == OK)
    try:
        array = np.asarray(np.load(path, mmap_mode="r"))
        stated = index[column(path.stem)].to_numpy()
        rows = damaged_rows(stored_rows(array, index), stated, usable)
    except (OSError, ValueError, IndexError):
        return ": it is no array of these clips"
    if not rows:
        return ""
    return f": {len(rows)} of {len(usable)} clips are damaged, {index['id'].iloc[rows[0]]} first"


def _index(folder: Path) -> pd.DataFrame | None:
    try:
        return read_index(folder)
    except UserError:
        return None


def _clips(plan: Plan, meta: dict[str, Any], again: str, *, every: bool) -> list[Problem]:
    """The files of the clips: replaced, gone, or there again."""
    index = _index(plan.cache_dir)
    if index is None or not {"path", "file_sha256"} <= set(index):
        return []
    root = plan.manifest.parent
    known = known_stamps(plan.cache_dir, index["file_sha256"])
    stamps = [Stamp(*each) for each in known.tolist()]
    # the spans of a long recording follow each other
    read = lru_cache(64)(clip_digest)
    found, gone, arrived, used = [], [], [], 0
    columns = index[["path", "status", "file_sha256"]].itertuples(index=False)
    for row, (name, status, digest) in enumerate(columns):
        if not name:
            continue
        path = clip_path(root, name)
        now = stamp(path)
        if status == "missing" and now != ABSENT:
            arrived.append(path)
        if status != OK:
            continue
        used += 1
        if now == ABSENT:
            gone.append(path)
        elif read(path) != digest if every else is_replaced(path, stamps[row], digest):
            found.append(Problem(str(path), "is not the clip that was decoded", again))
    if arrived:
        words = (
            f"{len(arrived)} clips are there that were missing when the cache was made, "
            f"{arrived[0]} first"
        )
        found.append(Problem(str(plan.data_root), words, again, wrong=False))
    if gone:
        # training with a stored cache does not read them
        needed = every or meta.get("mode") == "live"
        words = f"{len(gone)} of {used} clips are not there any more, {gone[0]} first"
        way_out = (
            f"put them back; if the folder was moved, run `diccae data manifest --plan {plan.name}`"
            " and then the workflow"
        )
        found.append(Problem(str(plan.data_root), words, way_out, wrong=needed))
    return found
