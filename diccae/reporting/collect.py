"""What tables ask of the runs of a plan. Every accuracy is computed from per-clip predictions; a
metrics file that disagrees with them is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diccae.errors import UserError
from diccae.plans import Plan
from diccae.reporting.shard_folder import shards_of
from diccae.reporting.sources import data_file, shard_of, shared_data
from diccae.reporting.stored_predictions import (
    Hits,
    hits_of_run,
    run_file,
    table_of_run,
    train_again,
)
from diccae.stored_file import MAKE_AGAIN, read_json


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
    # shares the data, and what a caller changes is its own
    return table_of_run(plan, variant, seed, modality, split, view).copy(deep=False)


def hits(
    plan: Plan,
    variant: str,
    modality: str,
    split: str = "test",
    view: str = "multi",
    seeds: list[int] | None = None,
) -> NDArray[np.bool_]:
    """(S, N) whether each clip was classified correctly, for each seed; clips sorted by id.

    Raises:
        UserError: a run is missing, or two seeds scored different clips.
    """
    runs = [
        hits_of_run(plan, variant, seed, modality, split, view) for seed in (seeds or plan.seeds)
    ]
    return _hits(runs, f"plan {plan.name}, {variant} {modality}")


def hits_of(plan: Plan, *runs: tuple[str, str]) -> list[NDArray[np.bool_]]:
    """The `hits` of several variants, each with its modality, on the same test clips.

    Raises:
        UserError: a run is missing, or two runs scored different clips.
    """
    found = [
        hits_of_run(plan, variant, seed, modality)
        for variant, modality in runs
        for seed in plan.seeds
    ]
    together = _hits(found, f"plan {plan.name}, {', '.join(map(' '.join, runs))}")
    return np.split(together, len(runs))


def _hits(runs: list[Hits], where: str) -> NDArray[np.bool_]:
    ids = runs[0].ids
    for run in runs[1:]:
        if run.ids is not ids and not np.array_equal(ids, run.ids):
            only = sorted(set(ids) ^ set(run.ids))
            raise UserError(
                f"{where}: {len(only)} clips were scored by some of the runs alone, first "
                f"{only[0]}; train these runs again on one manifest and cache"
            )
    return np.stack([run.correct for run in runs])


def wrong_classes(plan: Plan, variant: str, seed: int, modality: str) -> NDArray[np.int32]:
    """(E, 2) true and predicted class of each test clip that a run classified wrongly.

    Raises:
        UserError: see `predictions`.
    """
    return hits_of_run(plan, variant, seed, modality).wrong


def clips(plan: Plan, variant: str, modality: str) -> pd.DataFrame:
    """The test clips sorted by id, with the columns `id`, `group` and `label`."""
    return predictions(plan, variant, plan.seeds[0], modality)[["id", "group", "label"]]


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
    """(S,) top-1 accuracy in percent, for each seed; the seeds may have different clips."""
    return 100 * np.array(
        [
            hits_of_run(plan, variant, seed, modality, split, view).correct.mean()
            for seed in (seeds or plan.seeds)
        ]
    )


def record(plan: Plan, variant: str, seed: int, modality: str) -> dict[str, Any]:
    """The record of a fine-tuning run, of its first fold if the plan has folds.

    Raises:
        UserError: the run is missing.
    """
    shard = shard_of(plan, variant, seed, modality)
    if shard is not None:
        return shard.records[shard.folder(variant, modality, plan.folds[0])]
    path = run_file(plan, variant, seed, modality, "record.json", plan.folds[0])
    return read_json(path, train_again(path))


def records_by_folder(plan: Plan) -> dict[str, dict[str, Any]]:
    """Every record below the runs folder of the plan and in its shards, all stages included, by its
    folder below `runs`, in the order of the folders."""
    found = {f: record for shard in shards_of(plan).values() for f, record in shard.records.items()}
    if not plan.elsewhere:
        root = plan.results_root() / "runs"
        paths = root.rglob("record.json")
        found |= {
            p.parent.relative_to(root).as_posix(): read_json(p, train_again(p)) for p in paths
        }
    return {folder: found[folder] for folder in sorted(found, key=Path)}


def all_records(plan: Plan) -> list[dict[str, Any]]:
    """The records of `records_by_folder` with one of the plan's seeds."""
    return [r for r in records_by_folder(plan).values() if r["seed"] in plan.seeds]


def truth(plan: Plan) -> dict[str, Any] | None:
    """What the generator of the embedded benchmark knows of its classes; None for other data."""
    path = data_file(plan, Path(plan.data_root) / "truth.json")
    return read_json(path, MAKE_AGAIN) if path else shared_data(plan).get("truth")
