"""Shards: the small files of the results of one seed, in place of the folders of its runs."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diccae.errors import UserError
from diccae.plans import SCORED_STAGE, Plan
from diccae.reporting.shard_file import COPY_AGAIN, read_shard
from diccae.reporting.shard_parts import contradictions

# files of a run that a shard holds as they are; the learning curve only of runs of the section
# `mechanism` and of what they start from
METRICS, CURVE = "metrics.json", "history.csv"
# arrays of pairs of classes of the runs of section `mechanism`
PAIR_ARRAYS = ("mean_weight", "update_degree")
# top1 of a clip that a run did not score
NOT_SCORED = -1
# what every shard has: in about.json, below some of its keys, and as arrays
PARTS = (
    *("plan", "seed", "views", "runs", "degrees", "clips", "withheld", "mechanism", "records"),
    *("files", "clusters", "data", "jobs"),
)
BELOW = {
    "clips": ("id", "split", "group"),
    "withheld": ("variants", "modes"),
    "mechanism": PAIR_ARRAYS,
    "data": (
        *("manifest_sha256", "listed", "missing", "splits"),
        *("classes", "truth", "cache", "timing"),
    ),
}
ARRAYS = ("label", "fold", "top1", "in_update", "withheld", "degree")


@dataclass(frozen=True, eq=False)
class Shard:
    """The results of one seed of a plan; docs/shards.md describes the file.

    Attributes:
        path: the file.
        about: content of about.json.
        arrays: its arrays, by name.
    """

    path: Path
    about: dict[str, Any]
    arrays: dict[str, NDArray[Any]]

    @property
    def seed(self) -> int:
        """The seed."""
        return int(self.about["seed"])

    @property
    def records(self) -> dict[str, dict[str, Any]]:
        """Record of each run, by its folder below `runs`."""
        return self.about["records"]

    @property
    def data(self) -> dict[str, Any]:
        """What tables and page show of the data."""
        return self.about["data"]

    @cached_property
    def columns(self) -> dict[tuple[str, str], int]:
        """(variant, modality) of each scored run -> its place in the arrays."""
        return {(run["variant"], run["modality"]): k for k, run in enumerate(self.about["runs"])}

    @property
    def listed(self) -> set[str] | None:
        """Ids of the test clips in the manifest; None if the shard was made without it."""
        differs = self.data["listed"]
        if differs is None:
            return None
        clips = self.about["clips"]
        pairs = zip(clips["id"], clips["split"], strict=True)
        scored = {name for name, split in pairs if split == "test"}
        return scored.difference(differs["unlisted"]).union(differs["not_scored"])

    def folder(self, variant: str, modality: str, fold: int | None) -> str:
        """Folder of a scored run below `runs`."""
        wanted = (SCORED_STAGE, variant, modality, fold)
        keys = ("stage", "variant", "modality", "fold")
        return next(
            folder
            for folder, record in self.records.items()
            if tuple(record.get(key) for key in keys) == wanted
        )

    def predictions(self, variant: str, modality: str) -> pd.DataFrame:
        """The columns id, label, split, fold, group, view, top1 and in_update of a scored run."""
        place, tables = self.columns[variant, modality], []
        for name, values in zip(self.about["views"], self.arrays["top1"], strict=True):
            top1, used = values[:, place], self.arrays["in_update"][:, place]
            table = self._clips().assign(view=name, top1=top1.astype(np.int32), in_update=used)
            tables.append(table[top1 != NOT_SCORED])
        return pd.concat(tables, ignore_index=True)

    def withheld(self, variant: str) -> pd.DataFrame | None:
        """The columns id, label, split, fold, group, withheld, filling and correct of an A-V
        model with one modality withheld; None where the shard does not have them."""
        if variant not in self.about["withheld"]["variants"]:
            return None
        place = self.about["withheld"]["variants"].index(variant)
        tables = []
        for mode, values in zip(
            self.about["withheld"]["modes"], self.arrays["withheld"], strict=True
        ):
            correct = values[:, place]
            table = self._clips().assign(**mode, correct=correct == 1)
            tables.append(table[correct != NOT_SCORED])
        return pd.concat(tables, ignore_index=True)

    def _clips(self) -> pd.DataFrame:
        """One row for each clip and fold."""
        return pd.DataFrame(
            {
                **self.about["clips"],
                "label": self.arrays["label"].astype(np.int64),
                "fold": self.arrays["fold"].astype(np.int32),
            }
        )

    def degree(self, folder: str) -> NDArray[np.float64]:
        """(C, C) degrees of confusion of a scored run on the test split."""
        return square(self.arrays["degree"][self.about["degrees"].index(folder)])

    def pair_array(self, name: str, folder: str) -> NDArray[np.floating] | None:
        """(C, C) `mean_weight` or `update_degree` of a scored run; None where the shard does not
        have it."""
        folders = self.about["mechanism"][name]
        return self.arrays[name][folders.index(folder)] if folder in folders else None

    def file(self, name: str) -> str:
        """Text of a file that the shard holds as it was, by its path below `runs`.

        Raises:
            UserError: the shard does not have it.
        """
        if name not in self.about["files"]:
            raise UserError(f"{self.path} lacks {name}; {COPY_AGAIN}")
        return self.about["files"][name]


def read(path: Path) -> Shard:
    """Read a shard; the content is not to be changed, since the next call may return it again.

    Raises:
        UserError: it is damaged, no shard, lacks a part, or contradicts itself.
    """
    return _read(path, Path.cwd(), path.stat().st_mtime_ns if path.is_file() else 0)


@lru_cache(maxsize=16)
def _read(path: Path, _place: Path, _state: int) -> Shard:
    about, arrays = read_shard(path)
    kinds: dict[str, type] = {
        "seed": int,
        "views": list,
        "runs": list,
        "degrees": list,
        "clusters": list,
    }
    lacking = [key for key in PARTS if not isinstance(about.get(key), kinds.get(key, dict))] or [
        *(
            f"{key}.{name}"
            for key, names in BELOW.items()
            for name in names
            if name not in about[key]
        ),
        *(f"{name}.npy" for name in ARRAYS if name not in arrays),
    ]
    if lacking:
        raise UserError(f"{path} lacks {', '.join(lacking)}; {COPY_AGAIN}")
    wrong = next(contradictions(about, arrays), "")
    if wrong:
        raise UserError(f"{path} contradicts itself: {wrong}; {COPY_AGAIN}")
    return Shard(path, about, arrays)


def triangle(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The upper half, with the diagonal, of a symmetric matrix (C, C), row by row."""
    return matrix[np.triu_indices(len(matrix))]


def square(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The symmetric matrix (C, C) whose upper half `triangle` gives."""
    size = (math.isqrt(8 * len(values) + 1) - 1) // 2
    matrix = np.empty((size, size))
    rows, columns = np.triu_indices(size)
    matrix[rows, columns] = matrix[columns, rows] = values
    return matrix


def plan_text(plan: Plan) -> dict[str, Any]:
    """A plan as a shard keeps it."""
    content: dict[str, Any] = json.loads(plan.model_dump_json(by_alias=True))
    return content
