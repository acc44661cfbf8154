"""Reads run folders. Every accuracy is computed from the per-clip predictions; a metrics file that
says something else stops the report."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diccae.errors import UserError
from diccae.plans import Plan


def run_file(plan: Plan, variant: str, seed: int, modality: str, name: str) -> Path:
    """A file of a fine-tuning run.

    Raises:
        UserError: it is not there; names the command that makes it.
    """
    path = plan.run_folder(variant, seed, modality=modality) / name
    if not path.is_file():
        raise UserError(
            f"{path} is missing; run `diccae train --plan {plan.name} --variant {variant} --seed {seed}`, or let snakemake do it"
        )
    return path


def read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


@lru_cache(maxsize=256)
def _predictions(path: Path, _state: tuple[object, ...]) -> pd.DataFrame:
    table = pd.read_parquet(path, columns=["id", "label", "split", "view", "top1", "in_update"])
    duplicates = int(table.duplicated(["id", "split", "view"]).sum())
    if duplicates:
        raise UserError(f"{path}: {duplicates} clips are listed twice; train this run again")
    _check_metrics(path, table)
    return table


def _check_metrics(path: Path, table: pd.DataFrame) -> None:
    stated = read_json(path.with_name("metrics.json"))["accuracy"]
    for (split, view), group in table.groupby(["split", "view"]):
        computed = 100 * float((group["top1"] == group["label"]).mean())
        if abs(computed - stated[split][f"top1_{view}"]) > 1e-6:
            raise UserError(
                f"{path.with_name('metrics.json')} says {stated[split][f'top1_{view}']:.3f} % ({split}, {view}), the predictions beside it say "
                f"{computed:.3f} %; one was edited: train this run again"
            )


def predictions(
    plan: Plan, variant: str, seed: int, modality: str, split: str = "test", view: str = "multi"
) -> pd.DataFrame:
    """One row a clip, sorted by id: label, top1, in_update, correct."""
    path = run_file(plan, variant, seed, modality, "predictions.parquet")
    metrics = run_file(plan, variant, seed, modality, "metrics.json")
    # relative paths mean other files in another folder, and either file may be edited in the life
    # of a process
    table = _predictions(path, (Path.cwd(), path.stat().st_mtime_ns, metrics.stat().st_mtime_ns))
    chosen = table[(table["split"] == split) & (table["view"] == view)].sort_values(
        "id", ignore_index=True
    )
    return chosen.assign(correct=chosen["top1"] == chosen["label"])


def hits(
    plan: Plan,
    variant: str,
    modality: str,
    split: str = "test",
    view: str = "multi",
    seeds: list[int] | None = None,
) -> NDArray[np.bool_]:
    """(S, N) whether each clip was right, clips in the order of their ids."""
    return np.stack(
        [
            predictions(plan, variant, seed, modality, split, view)["correct"].to_numpy()
            for seed in (seeds or plan.seeds)
        ]
    )


def labels(plan: Plan, variant: str, modality: str, split: str = "test") -> NDArray[np.int64]:
    return predictions(plan, variant, plan.seeds[0], modality, split)["label"].to_numpy()


def accuracy(
    plan: Plan,
    variant: str,
    modality: str,
    split: str = "test",
    view: str = "multi",
    seeds: list[int] | None = None,
) -> NDArray[np.float64]:
    """(S,) top-1 in percent."""
    return 100 * hits(plan, variant, modality, split, view, seeds).mean(axis=1)


def record(plan: Plan, variant: str, seed: int, modality: str) -> dict[str, Any]:
    return read_json(run_file(plan, variant, seed, modality, "record.json"))


def degree(plan: Plan, variant: str, seed: int, modality: str) -> NDArray[np.float64]:
    """(C, C) degrees of confusion on the test split (Eq. 2)."""
    with np.load(run_file(plan, variant, seed, modality, "confusion.npz")) as arrays:
        return arrays["test_degree"]


def upper(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    return matrix[np.triu_indices(len(matrix), 1)]


def all_records(plan: Plan) -> list[dict[str, Any]]:
    """Every record under the plan's runs folder, warm-up and pre-training included."""
    return [read_json(path) for path in sorted((plan.results_root() / "runs").rglob("record.json"))]


def truth(plan: Plan) -> dict[str, Any] | None:
    path = Path(plan.data_root) / "truth.json"
    return read_json(path) if path.is_file() else None
