"""VGGSounder: predictions on VGGSound's test set, scored on re-annotated labels.

A clip has several labels, each tagged audible (A), visible (V) or both (AV). The measures are those
of the package `vggsounder` 1.0: the top k classes of a clip are its predicted labels; F1 micro
pools all (clip, class) decisions; F1 macro is the mean over all classes, where a class that is
neither labelled nor predicted counts 0; clips without a prediction are left out and counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diccae.errors import UserError
from diccae.evaluation.vggsounder_files import Labels, Predictions

# modalities of the labels in a subset; a clip without such a label is not part of it
SUBSETS = {
    "all": ("A", "V", "AV"),
    "a": ("A", "AV"),
    "v": ("V", "AV"),
    "av": ("AV",),
    "a only": ("A",),
    "v only": ("V",),
}
RUNS = ("A", "V", "AV")
TOPS = (1, 5)


def truth_matrix(
    labels: pd.DataFrame, ids: NDArray[np.str_], num_classes: int
) -> NDArray[np.bool_]:
    """Whether each clip carries each class.

    Args:
        labels: columns id and label (class index); other clips than those of `ids` are ignored.
        ids: (N,) clip ids.
        num_classes: C.

    Returns:
        bool (N, C), rows in the order of `ids`.
    """
    matrix = np.zeros((len(ids), num_classes), bool)
    rows = _positions(ids, labels["id"])
    matrix[rows[rows >= 0], labels["label"].to_numpy()[rows >= 0]] = True
    return matrix


def _positions(ids: NDArray[np.str_], wanted: Iterable[str]) -> NDArray[np.int64]:
    """Position of each wanted clip in `ids`, -1 for a clip that is not in `ids`; int64 (M,)."""
    row = {str(name): position for position, name in enumerate(ids)}
    return np.array([row.get(str(name), -1) for name in wanted], np.int64)


def predicted_matrix(top: NDArray[np.int64], num_classes: int) -> NDArray[np.bool_]:
    """Class indices, int64 (N, k), -> whether each class is among them, bool (N, C)."""
    matrix = np.zeros((len(top), num_classes), bool)
    np.put_along_axis(matrix, top, True, axis=1)
    return matrix


def hits(truth: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether at least one predicted class of a clip is correct; bool (N, C), (N, C) -> (N,)."""
    right: NDArray[np.bool_] = np.any(truth & predicted, axis=1)
    return right


def f1(truth: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> tuple[float, float]:
    """Micro and macro F1 = 2 TP / (2 TP + FP + FN), in [0, 1].

    Args:
        truth: bool (N, C), whether a clip carries a class.
        predicted: bool (N, C), whether a class was predicted.

    Returns:
        (micro, macro); a class that is neither labelled nor predicted counts 0.
    """
    right = (truth & predicted).sum(axis=0)
    total = truth.sum(axis=0) + predicted.sum(axis=0)
    by_class = np.divide(2.0 * right, total, out=np.zeros(len(right)), where=total > 0)
    return float(2 * right.sum() / max(total.sum(), 1)), float(by_class.mean())


def score(labels: Labels, runs: Sequence[Predictions], num_classes: int) -> pd.DataFrame:
    """Compute all measures, one row each.

    `hit@k`, `f1_micro@k` and `f1_macro@k` are given for each run and subset of labels. `mu` is the
    modality confusion, on all labels and for k = 1: the share of clips that the A run (`run` is
    A), the V run (V), or both (AV) get right while the A-V run gets them wrong. It is given only
    with all three runs.

    Args:
        labels: the labels.
        runs: predictions of one to three runs of different modalities.
        num_classes: number of classes.

    Returns:
        Columns measure, run, labels (the subset), value (percent), clips (scored), missing (with
        labels of the subset but without prediction), unlabelled (with prediction but without any
        label), source.

    Raises:
        UserError: no predicted clip carries a label, two runs have the same modality, or the three
            runs are not of one variant and seed.
    """
    by_modality = {run.modality: run for run in runs}
    if len(by_modality) < len(runs):
        raise UserError(
            f"two runs have the modality {_repeated(runs)}; "
            f"name one run for each of {', '.join(RUNS)}"
        )
    models = {name: run.model for name, run in by_modality.items()}
    if len(by_modality) == len(RUNS) and len(set(models.values())) > 1:
        named = ", ".join(f"{name} of {models[name]}" for name in RUNS)
        raise UserError(
            f"the modality confusion needs A, V and AV run of one variant and seed, got {named}; "
            "name three runs that belong together, or score them one by one"
        )
    labelled = set(labels.table["id"])
    rows = []
    for run in (by_modality[name] for name in RUNS if name in by_modality):
        unlabelled = len(set(run.ids) - labelled)
        if unlabelled == len(run.ids):
            raise UserError(
                f"none of the {len(run.ids)} clips of the {run.modality} run is in "
                f"{labels.source}; wanted VGGSound's ids, e.g. {labels.table['id'].iloc[0]}"
            )
        for subset, modalities in SUBSETS.items():
            kept = labels.table[labels.table["modality"].isin(modalities)]
            wanted = set(kept["id"])
            chosen = np.isin(run.ids, list(wanted))
            clips = int(chosen.sum())
            truth = truth_matrix(kept, run.ids[chosen], num_classes)
            values: dict[str, float] = {}
            for k in TOPS:
                predicted = predicted_matrix(run.top[chosen, :k], num_classes)
                values[f"hit@{k}"] = float(hits(truth, predicted).mean()) if clips else np.nan
                values[f"f1_micro@{k}"], values[f"f1_macro@{k}"] = (
                    f1(truth, predicted) if clips else (np.nan, np.nan)
                )
            rows += [
                (name, run.modality, subset, 100 * value, clips, len(wanted) - clips, unlabelled)
                for name, value in values.items()
            ]
    if len(by_modality) == len(RUNS):
        rows += _modality_confusion(labels.table, by_modality, num_classes)
    columns = ["measure", "run", "labels", "value", "clips", "missing", "unlabelled"]
    return pd.DataFrame(rows, columns=columns).assign(source=labels.source)


def _repeated(runs: Sequence[Predictions]) -> str:
    names = [run.modality for run in runs]
    return next(name for name in names if names.count(name) > 1)


def _modality_confusion(
    labels: pd.DataFrame, runs: dict[str, Predictions], num_classes: int
) -> list[tuple[str, str, str, float, int, int, int]]:
    labelled = set(labels["id"])
    common = set.intersection(*(set(run.ids) for run in runs.values()))
    ids = np.array(sorted(common & labelled), np.str_)
    truth = truth_matrix(labels, ids, num_classes)
    right = {}
    for name, run in runs.items():
        best = run.top[_positions(run.ids, ids), :1]
        right[name] = hits(truth, predicted_matrix(best, num_classes))
    lost = {
        "A": right["A"] & ~right["AV"],
        "V": right["V"] & ~right["AV"],
        "AV": right["A"] & right["V"] & ~right["AV"],
    }
    return [
        (
            "mu",
            name,
            "all",
            100 * float(mask.mean()) if len(ids) else np.nan,
            len(ids),
            len(labelled) - len(ids),
            len(common - labelled),
        )
        for name, mask in lost.items()
    ]
