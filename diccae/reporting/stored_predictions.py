"""Stored predictions of a run, from its folder or from the shard of its seed, read once and checked
against its metrics file; and which of its clips are right."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diccae.errors import UserError
from diccae.plans import Plan
from diccae.reporting.shard_folder import shard_path
from diccae.reporting.shards import Shard
from diccae.reporting.sources import shard_of
from diccae.stored_file import read_json, reading

VIEWS = ("multi", "single")
COLUMNS = ["id", "group", "label", "split", "view", "top1", "in_update"]


def run_file(
    plan: Plan, variant: str, seed: int, modality: str, name: str, fold: int | None = None
) -> Path:
    """Path of a file of a fine-tuning run; `fold` for a plan with folds.

    Raises:
        UserError: the file does not exist; names the command that creates it.
    """
    path = plan.run_folder(variant, seed, modality=modality, fold=fold) / name
    if not path.is_file():
        of_fold = "" if fold is None else f" --fold {fold}"
        raise UserError(
            f"{path} is missing; run `diccae train --plan {plan.name} --variant {variant} "
            f"--seed {seed}{of_fold}`, or let snakemake do it, or copy the shard of this seed to "
            f"{shard_path(plan, seed)}"
        )
    return path


def train_again(path: Path) -> str:
    """The way out where a file of a run is damaged or missing."""
    record = path.with_name("record.json")
    first = f"remove {record}, then " if record.is_file() else ""
    return f"{first}run the workflow again, which trains this run again"


@lru_cache(maxsize=256)
def _predictions(path: Path, _state: tuple[Path, int, int]) -> pd.DataFrame:
    with reading(path, train_again(path)):
        table = pd.read_parquet(path, columns=COLUMNS)
    duplicates = int(table.duplicated(["id", "split", "view"]).sum())
    if duplicates:
        raise UserError(f"{path}: {duplicates} clips are listed twice; train this run again")
    metrics = path.with_name("metrics.json")
    check_metrics(str(metrics), read_json(metrics, train_again(path)), table)
    return table


@lru_cache(maxsize=256)
def predictions_of_shard(shard: Shard, variant: str, modality: str) -> pd.DataFrame:
    """`Shard.predictions` of a scored run; the table is not to be changed.

    Raises:
        UserError: they disagree with the metrics.json in the shard.
    """
    table = shard.predictions(variant, modality)
    for fold in dict.fromkeys(table["fold"]):
        name = f"{shard.folder(variant, modality, None if fold < 0 else fold)}/metrics.json"
        stated = json.loads(shard.file(name))
        check_metrics(f"{shard.path}, {name},", stated, table[table["fold"] == fold])
    return table


def check_metrics(where: str, metrics: Mapping[str, Any], table: pd.DataFrame) -> None:
    """Compare the accuracies and the numbers of clips of a metrics.json with predictions.

    Raises:
        UserError: they differ; `where` names the file.
    """
    again = "one was edited: train this run again"
    groups = dict(list(table.groupby(["split", "view"])))
    for split, view in dict.fromkeys([*product(metrics["accuracy"], VIEWS), *groups]):
        stated, group = metrics["accuracy"].get(split, {}), groups.get((split, view), table[:0])
        if len(group) != stated.get("n", 0):
            raise UserError(
                f"{where} says {stated.get('n', 0)} clips ({split}, {view}), the predictions "
                f"beside it have {len(group)}; {again}"
            )
        computed = 100 * float((group["top1"] == group["label"]).mean())
        # a stated NaN is not equal either
        if not abs(computed - stated[f"top1_{view}"]) <= 1e-6:
            raise UserError(
                f"{where} says {stated[f'top1_{view}']:.3f} % ({split}, {view}), the predictions "
                f"beside it say {computed:.3f} %; {again}"
            )


def table_of_run(
    plan: Plan, variant: str, seed: int, modality: str, split: str, view: str
) -> pd.DataFrame:
    """See `collect.predictions`; the table is not to be changed."""
    where = _where(plan, variant, seed, modality)
    return _table(_stored(plan, variant, seed, modality), split, view, where)


def _where(plan: Plan, variant: str, seed: int, modality: str) -> str:
    return f"plan {plan.name}, {variant} {modality} seed {seed}"


class _File(NamedTuple):
    """Stored predictions of one fold.

    Attributes:
        path: of the file.
        state: with the path the key of a cache: a relative path names another file after a change
            of the working directory, and predictions and metrics may be edited while the process
            runs.
        fold: -1 without folds.
    """

    path: Path
    state: tuple[Path, int, int]
    fold: int


class _InShard(NamedTuple):
    """Predictions of a run in the shard of its seed."""

    shard: Shard
    variant: str
    modality: str


_Stored = tuple[_File, ...] | _InShard


def _stored(plan: Plan, variant: str, seed: int, modality: str) -> _Stored:
    shard = shard_of(plan, variant, seed, modality)
    if shard is not None:
        return _InShard(shard, variant, modality)
    files = []
    for fold in plan.folds:
        path = run_file(plan, variant, seed, modality, "predictions.parquet", fold)
        metrics = run_file(plan, variant, seed, modality, "metrics.json", fold)
        state = (Path.cwd(), path.stat().st_mtime_ns, metrics.stat().st_mtime_ns)
        files.append(_File(path, state, -1 if fold is None else fold))
    return tuple(files)


@lru_cache(maxsize=256)
def _table(stored: _Stored, split: str, view: str, where: str) -> pd.DataFrame:
    """See `table_of_run`."""
    if isinstance(stored, _InShard):
        table = _chosen(predictions_of_shard(*stored), split, view)
    else:
        table = pd.concat(
            _chosen(_predictions(each.path, each.state), split, view).assign(fold=each.fold)
            for each in stored
        )
    table = table.sort_values(["id", "fold"], ignore_index=True)
    twice = table.loc[table["id"].duplicated(), "id"]
    if len(twice) and split == "test":
        raise UserError(
            f"{where}: {len(twice)} test clips are in two folds, first {twice.iloc[0]}; train "
            "these runs again"
        )
    return table.assign(correct=table["top1"] == table["label"])


class Hits(NamedTuple):
    """Which clips of a run are right.

    Attributes:
        ids: (N,) of the clips, sorted; one array for all runs that scored the same clips.
        correct: (N,) whether each was classified correctly.
        wrong: (E, 2) true and predicted class of those that were not.
    """

    ids: NDArray[np.object_]
    correct: NDArray[np.bool_]
    wrong: NDArray[np.int32]


# much smaller than tables: those of all runs of a plan fit, and each is compared with others often
@lru_cache(maxsize=16384)
def _hits_of_stored(stored: _Stored, split: str, view: str, where: str) -> Hits:
    table = _table(stored, split, view, where)
    wrong = table.loc[~table["correct"], ["label", "top1"]].to_numpy(np.int32)
    return Hits(_ids("\0".join(table["id"])), table["correct"].to_numpy(), wrong)


@lru_cache(maxsize=64)
def _ids(joined: str) -> NDArray[np.object_]:
    return np.array(joined.split("\0"), dtype=object)


def hits_of_run(
    plan: Plan, variant: str, seed: int, modality: str, split: str = "test", view: str = "multi"
) -> Hits:
    """Which clips of a run are right; reading and errors as in `table_of_run`."""
    where = _where(plan, variant, seed, modality)
    return _hits_of_stored(_stored(plan, variant, seed, modality), split, view, where)


def _chosen(table: pd.DataFrame, split: str, view: str) -> pd.DataFrame:
    return table[(table["split"] == split) & (table["view"] == view)]
