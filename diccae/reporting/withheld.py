"""Reads the scores of A-V models with one modality withheld, see `diccae.evaluation.withheld`."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diccae.errors import UserError
from diccae.evaluation.withheld import COLUMNS, FILE, KINDS
from diccae.functional.bootstrap import Interval
from diccae.plans import Plan
from diccae.reporting import collect
from diccae.reporting.intervals import accuracy_interval
from diccae.reporting.sources import shard_of
from diccae.reporting.stored_predictions import run_file, train_again
from diccae.stored_file import reading

NO_INTERVAL = Interval(np.nan, np.nan, np.nan)


def columns(plan: Plan, variant: str) -> dict[str, float]:
    """Test accuracies in percent by the names of `COLUMNS`, mean over seeds, each with the ends
    `_low` and `_high` of its 95 % interval; NaN where there is no accuracy."""
    correct = hits(plan, variant)
    entry: dict[str, float] = {}
    clips = collect.predictions(plan, variant, plan.seeds[0], "AV")
    for name, kind in COLUMNS.items():
        mean, low, high = (
            accuracy_interval(plan, clips, correct[kind]) if kind in correct else NO_INTERVAL
        )
        entry |= {name: mean, f"{name}_low": low, f"{name}_high": high}
    return entry


def hits(plan: Plan, variant: str, split: str = "test") -> dict[tuple[str, str], NDArray[np.bool_]]:
    """(S, N) whether the A-V model with one modality withheld classified each clip correctly, for
    each seed, by the members of `KINDS`; clips sorted by id. A kind that a clip lacks is left out:
    the only clip of a split has no other clip to stand in for it.

    Args:
        plan, variant: the fine-tuning runs, of both modalities.
        split: `test` or `validation`.

    Raises:
        UserError: as in `predictions`.
    """
    rows: dict[tuple[str, str], list[NDArray[np.bool_]]] = {kind: [] for kind in KINDS}
    for seed in plan.seeds:
        clips = len(collect.predictions(plan, variant, seed, "AV", split))
        table = predictions(plan, variant, seed, split)
        for kind, own in rows.items():
            chosen = (table["withheld"] == kind[0]) & (table["filling"] == kind[1])
            if chosen.sum() == clips:
                own.append(table.loc[chosen, "correct"].to_numpy())
    return {kind: np.stack(own) for kind, own in rows.items() if len(own) == len(plan.seeds)}


def predictions(plan: Plan, variant: str, seed: int, split: str = "test") -> pd.DataFrame:
    """One row for each clip, withheld modality and filling, sorted by id: label, fold (-1 without
    folds), correct; from scores averaged over all views.

    Args:
        plan, variant, seed: the fine-tuning run, of both modalities.
        split: `test` or `validation`.

    Raises:
        UserError: a file of the run is missing, lists a clip twice, or has a clip or a label that
            predictions.parquet does not have.
    """
    shard = shard_of(plan, variant, seed, "AV")
    if shard is not None:
        table = shard.withheld(variant)
        if table is None:
            raise UserError(
                f"{shard.path} has no scores of {variant} with a modality withheld; export this "
                "seed again where its runs are"
            )
        return _sorted(table[table["split"] == split].drop(columns="group"))
    whole, parts = collect.predictions(plan, variant, seed, "AV", split), []
    for fold in plan.folds:
        path = run_file(plan, variant, seed, "AV", FILE, fold)
        table = _read(path, (Path.cwd(), path.stat().st_mtime_ns))
        table = table[table["split"] == split].assign(fold=-1 if fold is None else fold)
        _check_clips(path, table, whole[whole["fold"] == (-1 if fold is None else fold)])
        parts.append(table)
    return _sorted(pd.concat(parts))


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values(["id", "fold", "withheld", "filling"], ignore_index=True)


def _check_clips(path: Path, table: pd.DataFrame, whole: pd.DataFrame) -> None:
    labels = whole.set_index("id")["label"].reindex(table["id"])
    other = int((labels.to_numpy() != table["label"].to_numpy()).sum())
    if other:
        raise UserError(
            f"{path}: {other} of {len(table)} rows have a clip or a label that predictions.parquet "
            f"beside it does not have; one of both was edited: {train_again(path)}"
        )


@lru_cache(maxsize=256)
def _read(path: Path, _state: tuple[object, ...]) -> pd.DataFrame:
    names = ["id", "label", "split", "withheld", "filling", "top1"]
    with reading(path, train_again(path)):
        table = pd.read_parquet(path, columns=names)
    duplicates = int(table.duplicated(["id", "split", "withheld", "filling"]).sum())
    if duplicates:
        raise UserError(f"{path}: {duplicates} clips are listed twice; train this run again")
    return table.assign(correct=table["top1"] == table["label"]).drop(columns="top1")
