"""Learning curves of runs and of what they start from, from their files or from shards."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from diccae.plans import SCORED_STAGE, Plan
from diccae.reporting.shards import Shard
from diccae.reporting.sources import shard_of
from diccae.reporting.stored_predictions import run_file, train_again
from diccae.stored_file import read_json, reading


class History(NamedTuple):
    """The learning curve of a run: its stage, its folder below `runs`, and its history.csv."""

    stage: str
    folder: str
    table: pd.DataFrame


def histories(
    plan: Plan, variant: str, seed: int, modality: str, fold: int | None
) -> list[History]:
    """Of a fine-tuning run and all runs that it starts from, in the order of training.

    Raises:
        UserError: a file is missing or damaged.
    """
    shard = shard_of(plan, variant, seed, modality)
    if shard is None:
        run_file(plan, variant, seed, modality, "record.json", fold)
        folder = _below_runs(plan.run_folder(variant, seed, SCORED_STAGE, modality, fold))
    else:
        folder = shard.folder(variant, modality, fold)
    found = {name: record for name, record in _chain(plan, shard, folder)}
    return [
        History(record["stage"], name, _table(plan, shard, name))
        for name, record in reversed(found.items())
    ]


def _chain(plan: Plan, shard: Shard | None, folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Folder and record of a run, then of those that it starts from."""
    if shard is not None:
        record = shard.records[folder]
    else:
        path = _runs(plan) / folder / "record.json"
        record = read_json(path, train_again(path))
    yield folder, record
    for parent in record.get("parents", {}):
        yield from _chain(plan, shard, _below_runs(Path(parent).parent))


def _table(plan: Plan, shard: Shard | None, folder: str) -> pd.DataFrame:
    if shard is not None:
        return pd.read_csv(io.StringIO(shard.file(f"{folder}/history.csv")))
    path = _runs(plan) / folder / "history.csv"
    with reading(path, train_again(path)):
        return pd.read_csv(path)


def _runs(plan: Plan) -> Path:
    return plan.results_root() / "runs"


def _below_runs(folder: Path) -> str:
    return folder.as_posix().split("/runs/", 1)[1]
