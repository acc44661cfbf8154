"""Reads the files of runs. Every accuracy is computed from per-clip predictions; a metrics file
that disagrees with them is an error."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diccae.errors import UserError
from diccae.plans import Plan
from diccae.stored_file import MAKE_AGAIN, read_json, reading


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
            f"--seed {seed}{of_fold}`, or let snakemake do it"
        )
    return path


def train_again(path: Path) -> str:
    """The way out where a file of a run is damaged."""
    return (
        f"remove {path.with_name('record.json')}, then run the workflow again, which trains this "
        "run again"
    )


COLUMNS = ["id", "group", "label", "split", "view", "top1", "in_update"]


@lru_cache(maxsize=256)
def _predictions(path: Path, _state: tuple[object, ...]) -> pd.DataFrame:
    with reading(path, train_again(path)):
        table = pd.read_parquet(path, columns=COLUMNS)
    duplicates = int(table.duplicated(["id", "split", "view"]).sum())
    if duplicates:
        raise UserError(f"{path}: {duplicates} clips are listed twice; train this run again")
    _check_metrics(path, table)
    return table


def _check_metrics(path: Path, table: pd.DataFrame) -> None:
    stated = read_json(path.with_name("metrics.json"), train_again(path))["accuracy"]
    for (split, view), group in table.groupby(["split", "view"]):
        computed = 100 * float((group["top1"] == group["label"]).mean())
        if abs(computed - stated[split][f"top1_{view}"]) > 1e-6:
            raise UserError(
                f"{path.with_name('metrics.json')} says {stated[split][f'top1_{view}']:.3f} % "
                f"({split}, {view}), the predictions beside it say {computed:.3f} %; "
                "one was edited: train this run again"
            )


def predictions(
    plan: Plan, variant: str, seed: int, modality: str, split: str = "test", view: str = "multi"
) -> pd.DataFrame:
    """One row for each clip, sorted by id: group, label, top1, in_update, fold (-1 without folds),
    correct. The clips of all folds are together: each is a test clip in one of them.

    Args:
        plan, variant, seed, modality: the fine-tuning run.
        split: `test` or `validation`.
        view: `multi` (scores averaged over all views) or `single`.

    Raises:
        UserError: a file of the run is missing, lists a clip twice, or disagrees with metrics.json,
            or a test clip is in two folds.
    """
    parts = []
    for fold in plan.folds:
        path = run_file(plan, variant, seed, modality, "predictions.parquet", fold)
        metrics = run_file(plan, variant, seed, modality, "metrics.json", fold)
        # The key of the cache: a relative path names another file after a change of the working
        # directory, and both files may be edited while the process runs.
        state = (Path.cwd(), path.stat().st_mtime_ns, metrics.stat().st_mtime_ns)
        table = _predictions(path, state)
        chosen = table[(table["split"] == split) & (table["view"] == view)]
        parts.append(chosen.assign(fold=-1 if fold is None else fold))
    table = pd.concat(parts).sort_values(["id", "fold"], ignore_index=True)
    twice = table.loc[table["id"].duplicated(), "id"]
    if len(twice) and split == "test":
        raise UserError(
            f"plan {plan.name}, {variant} {modality} seed {seed}: {len(twice)} test clips are in "
            f"two folds, first {twice.iloc[0]}; train these runs again"
        )
    return table.assign(correct=table["top1"] == table["label"])


def hits(
    plan: Plan,
    variant: str,
    modality: str,
    split: str = "test",
    view: str = "multi",
    seeds: list[int] | None = None,
) -> NDArray[np.bool_]:
    """(S, N) whether each clip was classified correctly, for each seed; clips sorted by id."""
    return np.stack(
        [
            predictions(plan, variant, seed, modality, split, view)["correct"].to_numpy()
            for seed in (seeds or plan.seeds)
        ]
    )


def labels(plan: Plan, variant: str, modality: str, split: str = "test") -> NDArray[np.int64]:
    """(N,) true classes of the clips, sorted by id."""
    return predictions(plan, variant, plan.seeds[0], modality, split)["label"].to_numpy()


def accuracy(
    plan: Plan,
    variant: str,
    modality: str,
    split: str = "test",
    view: str = "multi",
    seeds: list[int] | None = None,
) -> NDArray[np.float64]:
    """(S,) top-1 accuracy in percent, for each seed."""
    return 100 * hits(plan, variant, modality, split, view, seeds).mean(axis=1)


def record(plan: Plan, variant: str, seed: int, modality: str) -> dict[str, Any]:
    """The record of a fine-tuning run, of its first fold if the plan has folds.

    Raises:
        UserError: the run is missing.
    """
    path = run_file(plan, variant, seed, modality, "record.json", plan.folds[0])
    return read_json(path, train_again(path))


def degree(plan: Plan, variant: str, seed: int, modality: str) -> NDArray[np.float64]:
    """(C, C) degrees of confusion on the test split (Eq. 2).

    Raises:
        UserError: the run is missing.
    """
    return confusion(plan, variant, seed, modality)["test_degree"]


def confusion(plan: Plan, variant: str, seed: int, modality: str) -> dict[str, NDArray[Any]]:
    """The arrays of confusion.npz of a fine-tuning run, of its first fold if the plan has folds, by
    name.

    Raises:
        UserError: the run is missing or the file damaged.
    """
    path = run_file(plan, variant, seed, modality, "confusion.npz", plan.folds[0])
    with reading(path, train_again(path)), np.load(path) as arrays:
        return dict(arrays)


def upper(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """(C (C - 1) / 2,) entries of a (C, C) matrix above the diagonal."""
    return matrix[np.triu_indices(len(matrix), 1)]


def all_records(plan: Plan) -> list[dict[str, Any]]:
    """Every record below the runs folder of the plan with one of its seeds, all stages included."""
    paths = sorted((plan.results_root() / "runs").rglob("record.json"))
    records = (read_json(path, train_again(path)) for path in paths)
    return [record for record in records if record["seed"] in plan.seeds]


def truth(plan: Plan) -> dict[str, Any] | None:
    """What the generator of the embedded benchmark knows of its classes; None for other data."""
    path = Path(plan.data_root) / "truth.json"
    return read_json(path, MAKE_AGAIN) if path.is_file() else None
