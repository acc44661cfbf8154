"""Ground truth of the benchmark: how confusable each pair of classes is, and the Bayes accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diccae.datasets.benchmark.activities import ACTIVITIES, CORRUPTION, MOTIONS, NAMES, SOUNDS

Array = NDArray[np.float64]


def bhattacharyya_normals(distance: float) -> float:
    """Bhattacharyya coefficient of two normals of variance 1 whose means differ by `distance`.

    It is exp(-distance^2 / 8).
    """
    return float(np.exp(-(distance**2) / 8))


def overlap(modality: str) -> Array:
    """Bhattacharyya coefficients of the latent variables of all pairs of classes.

    Args:
        modality: `A`, `V`, or `AV` for their product, as the corruptions are independent.

    Returns:
        (C, C), in [0, 1].
    """
    if modality == "AV":
        return overlap("A") * overlap("V")
    family, mean = ("sound", "sound_mean") if modality == "A" else ("motion", "motion_mean")
    result = np.empty((len(ACTIVITIES), len(ACTIVITIES)))
    for one in ACTIVITIES:
        for other in ACTIVITIES:
            shared = getattr(one, family) == getattr(other, family)
            clear = (
                bhattacharyya_normals(getattr(one, mean) - getattr(other, mean)) if shared else 0.0
            )
            result[one.label, other.label] = CORRUPTION + (1 - CORRUPTION) * clear
    return result


def bayes_ceilings(draws: int = 200_000, seed: int = 0) -> dict[str, float]:
    """Top-1 accuracy in percent of the Bayes classifier of the latent variables.

    It is estimated by Monte Carlo, with a standard error of about 0.1 points.

    Args:
        draws: number of simulated clips.
        seed: seed of the simulation.

    Returns:
        The accuracy by modality: A, V, AV.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(len(ACTIVITIES), size=draws)
    evidence = {}
    for modality, family, mean in (("A", "sound", "sound_mean"), ("V", "motion", "motion_mean")):
        families = np.array([getattr(activity, family) for activity in ACTIVITIES])
        means = np.array([getattr(activity, mean) for activity in ACTIVITIES])
        manner = rng.normal(means[labels], 1.0)
        scores = np.where(
            families[labels][:, None] == families, -((manner[:, None] - means) ** 2) / 2, -np.inf
        )
        scores[rng.random(draws) < CORRUPTION] = 0.0
        evidence[modality] = scores
    evidence["AV"] = evidence["A"] + evidence["V"]
    ceilings = {}
    for modality, scores in evidence.items():
        best = scores == scores.max(axis=1, keepdims=True)
        ceilings[modality] = float(100 * (best[np.arange(draws), labels] / best.sum(axis=1)).mean())
    return ceilings


def truth() -> dict[str, Any]:
    """The content of truth.json: classes, families, confusability and Bayes accuracy."""
    return {
        "classes": list(NAMES),
        "motions": list(MOTIONS),
        "sounds": list(SOUNDS),
        "motion_of": [activity.motion for activity in ACTIVITIES],
        "sound_of": [activity.sound for activity in ACTIVITIES],
        "confusability": {modality: overlap(modality).tolist() for modality in ("A", "V", "AV")},
        "bayes_ceiling": bayes_ceilings(),
    }
