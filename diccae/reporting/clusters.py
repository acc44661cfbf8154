"""Agreement of the clusters of pre-training with the true classes, where these are known."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diccae.plans import Plan
from diccae.reporting import sources
from diccae.reporting.shard_folder import shards_of
from diccae.reporting.stored_predictions import train_again
from diccae.stored_file import MAKE_AGAIN, reading


def cluster_quality(plan: Plan, variants: Iterable[str] | None = None) -> pd.DataFrame:
    """One row for each clustering: variant, seed, fold (-1 without folds), epoch (0 = first
    clusters), purity and mutual information in [0, 1], inertia; of all variants, or of some.

    The table is empty if the true classes of the unlabelled clips are not known.
    """
    rows: list[dict[str, Any]] = []
    labels = _true_classes(plan)
    shards = shards_of(plan)
    for variant in plan.variants() if variants is None else variants:
        for seed in plan.seeds:
            found = [] if labels is None else of_run(plan, variant, seed, labels)
            if not found and seed in shards:
                found = [row for row in shards[seed].about["clusters"] if row["variant"] == variant]
            rows += found
    columns = ["variant", "seed", "fold", "epoch", "purity", "mutual_information", "inertia"]
    return pd.DataFrame(rows, columns=columns)


def _true_classes(plan: Plan) -> pd.Series[int] | None:
    path = sources.data_file(plan, Path(plan.data_root) / "truth.parquet")
    if path is None:
        return None
    with reading(path, MAKE_AGAIN):
        return pd.read_parquet(path).set_index("id")["label"]


def of_run(plan: Plan, variant: str, seed: int, labels: pd.Series[int]) -> list[dict[str, Any]]:
    """The rows of `cluster_quality` of a pre-training, of all folds; none where it is not there.

    Args:
        plan, variant, seed: the pre-training.
        labels: true class of each unlabelled clip, by id.
    """
    rows = []
    for fold in plan.folds:
        path = plan.run_folder(variant, seed, "pretrain", fold=fold) / "assignments.npz"
        if path.is_file():
            place = {"variant": variant, "seed": seed, "fold": -1 if fold is None else fold}
            rows += [place | row for row in clusterings(path, labels)]
    return rows


def first_and_last(plan: Plan) -> list[dict[str, Any]]:
    """Purity and mutual information of the first and the last clusters of each variant, averaged
    over seeds.

    Returns:
        Dicts with `variant`, `purity_first`, `purity_last`, `mutual_information_first` and
        `mutual_information_last`.
    """
    table = cluster_quality(plan)
    rows: list[dict[str, Any]] = []
    for variant, group in table.groupby("variant", sort=False):
        row: dict[str, Any] = {"variant": variant}
        for end, epoch in (("first", group["epoch"].min()), ("last", group["epoch"].max())):
            means = group.loc[group["epoch"] == epoch, ["purity", "mutual_information"]].mean()
            row |= {f"{name}_{end}": value for name, value in means.items()}
        rows.append(row)
    return rows


def clusterings(path: Path, labels: pd.Series[int]) -> list[dict[str, Any]]:
    # needs scikit-learn, and shards hold what it computes
    from diccae.functional.cluster_quality import cluster_purity, mutual_information

    with reading(path, train_again(path)), np.load(path) as arrays:
        known = labels.reindex(arrays["ids"]).to_numpy()
        return [
            {
                "epoch": int(epoch),
                "purity": cluster_purity(arrays[f"assign_{epoch}"], known),
                "mutual_information": mutual_information(arrays[f"assign_{epoch}"], known),
                "inertia": float(inertia),
            }
            for epoch, inertia in zip(arrays["epochs"], arrays["inertia"], strict=True)
        ]
