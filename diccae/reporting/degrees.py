"""Degrees of confusion and confusion matrices of runs, from their files or from shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diccae.plans import Plan
from diccae.reporting.collect import predictions
from diccae.reporting.sources import shard_of
from diccae.reporting.stored_predictions import run_file, train_again
from diccae.stored_file import reading


def degree(plan: Plan, variant: str, seed: int, modality: str) -> NDArray[np.float64]:
    """(F, C, C) degrees of confusion on the test split of each fold (Eq. 2); F = 1 without folds.

    Raises:
        UserError: the run is missing or the file damaged.
    """
    shard = shard_of(plan, variant, seed, modality)
    if shard is not None:
        folders = [shard.folder(variant, modality, fold) for fold in plan.folds]
        return np.stack([shard.degree(folder) for folder in folders])
    names = (variant, seed, modality, "confusion.npz")
    return np.stack([degree_of(run_file(plan, *names, fold).parent) for fold in plan.folds])


def degree_of(folder: Path) -> NDArray[np.float64]:
    """(C, C) degrees of confusion of the fine-tuning run in a folder.

    Raises:
        UserError: the file is missing or damaged.
    """
    path = folder / "confusion.npz"
    with reading(path, train_again(path)), np.load(path) as arrays:
        return arrays["test_degree"]


def pair_arrays(
    plan: Plan, variant: str, seed: int, modality: str, name: str
) -> NDArray[np.float64] | None:
    """(F, C, C) an array of confusion.npz of each fold; None where a run does not have it.

    Args:
        plan, variant, seed, modality: the fine-tuning run.
        name: `mean_weight`, the weights that the loss used, mean over epochs, or `update_degree`,
            the degrees of the update set after the last epoch; of the runs of section `mechanism`.

    Raises:
        UserError: the run is missing or the file damaged.
    """
    shard, found = shard_of(plan, variant, seed, modality), []
    for fold in plan.folds:
        if shard is not None:
            found.append(shard.pair_array(name, shard.folder(variant, modality, fold)))
        else:
            path = run_file(plan, variant, seed, modality, "confusion.npz", fold)
            found.append(pair_array_of(path.parent, name))
    known = [array for array in found if array is not None]
    return np.stack(known).astype(float) if len(known) == len(found) else None


def pair_array_of(folder: Path, name: str) -> NDArray[np.floating] | None:
    """An array of `pair_arrays` of the fine-tuning run in a folder.

    Raises:
        UserError: the file is missing or damaged.
    """
    path = folder / "confusion.npz"
    with reading(path, train_again(path)), np.load(path) as arrays:
        return dict(arrays).get(name)


def confusion_matrix(plan: Plan, variant: str, seed: int, modality: str) -> NDArray[np.int64]:
    """(C, C) number of test clips by true class (rows) and predicted class (columns), with scores
    averaged over all views; each clip is in one fold.

    Raises:
        UserError: the run is missing.
    """
    table = predictions(plan, variant, seed, modality)
    matrix = np.zeros_like(degree(plan, variant, seed, modality)[0], dtype=np.int64)
    np.add.at(matrix, (table["label"].to_numpy(), table["top1"].to_numpy()), 1)
    return matrix


def upper(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """(C (C - 1) / 2,) entries of a (C, C) matrix above the diagonal, or (F C (C - 1) / 2,) of
    F of them, one after the other."""
    rows, columns = np.triu_indices(matrix.shape[-1], 1)
    return matrix[..., rows, columns].ravel()
