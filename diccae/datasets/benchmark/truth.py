"""Ground truth of a design: how confusable each pair of classes is, and what a Bayes classifier of
the latent variables confuses."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from diccae.datasets.benchmark.activities import MOTIONS, SOUNDS, Design

MODALITIES = ("A", "V", "AV")
Array = NDArray[np.float64]


class Bayes(NamedTuple):
    """What the Bayes classifier of the latent variables does, by modality.

    Attributes:
        ceiling: top-1 accuracy in percent.
        confusion: (C, C), share of the clips of each class (row) that are taken for each class;
            where several classes are equally probable, an equal share for each.
    """

    ceiling: dict[str, float]
    confusion: dict[str, Array]


def bhattacharyya_normals(distance: float) -> float:
    """Bhattacharyya coefficient of two normals of variance 1 whose means differ by `distance`.

    It is exp(-distance^2 / 8).
    """
    return float(np.exp(-(distance**2) / 8))


def same_family(design: Design, modality: str) -> NDArray[np.bool_]:
    """(C, C), whether two classes share the sound (`A`), the motion (`V`), or both (`AV`)."""
    if modality == "AV":
        return same_family(design, "A") & same_family(design, "V")
    family = _families(design, modality)
    return family[:, None] == family[None]


def confusable_pairs(design: Design, modality: str) -> list[tuple[int, int]]:
    """The pairs of classes (the lower label first) that a modality does not tell apart for certain
    although it is not corrupted: those of a family."""
    first, second = np.nonzero(np.triu(same_family(design, modality), k=1))
    return list(zip(first.tolist(), second.tolist(), strict=True))


def overlap(design: Design, modality: str) -> Array:
    """Bhattacharyya coefficients of the latent variables of all pairs of classes.

    Args:
        design: the classes.
        modality: `A`, `V`, or `AV` for their product, as the corruptions are independent.

    Returns:
        (C, C), in [0, 1].
    """
    if modality == "AV":
        return overlap(design, "A") * overlap(design, "V")
    means, shared = _means(design, modality), same_family(design, modality)
    result = np.empty(shared.shape)
    for one, other in np.ndindex(shared.shape):
        distance = float(means[one] - means[other])
        clear = bhattacharyya_normals(distance) if shared[one, other] else 0.0
        result[one, other] = design.corruption + (1 - design.corruption) * clear
    return result


def bayes(design: Design, draws: int = 200_000, seed: int = 0) -> Bayes:
    """The Bayes classifier of the latent variables, by Monte Carlo.

    The standard error of a ceiling is about 0.1 points.

    Args:
        design: the classes.
        draws: number of simulated clips.
        seed: seed of the simulation.
    """
    rng = np.random.default_rng(seed)
    count = len(design.activities)
    labels = rng.integers(count, size=draws)
    evidence = {}
    for modality in ("A", "V"):
        families, means = _families(design, modality), _means(design, modality)
        manner = rng.normal(means[labels], 1.0)
        scores = np.where(
            families[labels][:, None] == families, -((manner[:, None] - means) ** 2) / 2, -np.inf
        )
        scores[rng.random(draws) < design.corruption] = 0.0
        evidence[modality] = scores
    evidence["AV"] = evidence["A"] + evidence["V"]
    ceilings, confusions = {}, {}
    for modality, scores in evidence.items():
        best = scores == scores.max(axis=1, keepdims=True)
        taken_for = best / best.sum(axis=1, keepdims=True)
        ceilings[modality] = float(100 * taken_for[np.arange(draws), labels].mean())
        confusions[modality] = np.stack([taken_for[labels == c].mean(axis=0) for c in range(count)])
    return Bayes(ceilings, confusions)


def truth(design: Design) -> dict[str, Any]:
    """The content of truth.json: classes, families, confusability and Bayes classifier."""
    best = bayes(design)
    return {
        "classes": [activity.name for activity in design.activities],
        "motions": list(MOTIONS),
        "sounds": list(SOUNDS),
        "motion_of": [activity.motion for activity in design.activities],
        "sound_of": [activity.sound for activity in design.activities],
        "corruption": design.corruption,
        "confusability": {name: overlap(design, name).tolist() for name in MODALITIES},
        "confusable_pairs": {
            name: [list(pair) for pair in confusable_pairs(design, name)] for name in MODALITIES
        },
        "bayes_ceiling": best.ceiling,
        "bayes_confusion": {name: best.confusion[name].tolist() for name in MODALITIES},
    }


def _families(design: Design, modality: str) -> NDArray[np.int64]:
    name = "sound" if modality == "A" else "motion"
    return np.array([getattr(activity, name) for activity in design.activities])


def _means(design: Design, modality: str) -> Array:
    name = "sound_mean" if modality == "A" else "motion_mean"
    return np.array([getattr(activity, name) for activity in design.activities])
