"""Pairs of classes: their weights in the confusion loss, and their errors with and without them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diccae.errors import UserError
from diccae.functional.bootstrap import DIFFERENCE, Interval, paired_t_interval, t_interval
from diccae.functional.pair_slopes import mantel_pvalue, pair_errors, pair_slope
from diccae.functional.verdicts import TOO_FEW
from diccae.plans import Plan
from diccae.reporting import degrees
from diccae.reporting.pictures import class_names
from diccae.reporting.tables import section_of

MOST_CONFUSED = 10
PERMUTATIONS, PERMUTATION_SEED = 1999, 0
# the row of all seeds together
ALL = "all"
FLAT = "all weights are equal"


def pairs(plan: Plan) -> pd.DataFrame:
    """The most confused pairs of classes, means over seeds, those of the highest degree first.

    `degree` is that of the update set after the last epoch, the mean of both variants, as far as
    they have one, so that the choice of pairs favours neither; `weight` is the mean over epochs of
    the weight in fine-tuning; errors are those of `pair_errors` on the test split. `difference` is
    the error with the weights minus that with flat weights, with its 95 % t-interval, paired by
    seed.

    Raises:
        UserError: the plan has no section `mechanism`, or a run is missing or does not weigh pairs.
    """
    section = section_of(plan, "mechanism")
    classes = _scored_classes(plan)
    weights, errors, flat = _over_seeds(plan, classes)
    degree = np.mean(
        [
            found.mean(0)
            for variant in (section.variant, section.flat)
            for seed in plan.seeds
            if (found := _array(plan, variant, seed, "update_degree")) is not None
        ],
        axis=0,
    )[np.ix_(classes, classes)]
    names = class_names(plan)
    first, second = np.triu_indices(len(classes), 1)
    chosen = np.argsort(-degree[first, second], kind="stable")[:MOST_CONFUSED]
    rows = []
    for i, j in zip(first[chosen], second[chosen], strict=True):
        own, other = errors[:, i, j], flat[:, i, j]
        difference, low, high = paired_t_interval(own, other, limits=DIFFERENCE)
        rows.append(
            {
                "first": names[classes[i]],
                "second": names[classes[j]],
                "seeds": len(plan.seeds),
                "degree": degree[i, j],
                "weight": weights[:, i, j].mean(),
                "error_flat": other.mean(),
                "error": own.mean(),
                "difference": difference,
                "difference_low": low,
                "difference_high": high,
            }
        )
    return pd.DataFrame(rows)


def pair_slopes(plan: Plan) -> pd.DataFrame:
    """The slope of a pair's difference in error on its weight, over all pairs of classes with test
    clips: one row for each seed, then one for their mean, with its 95 % t-interval over seeds.

    The difference is that of `pairs`, in points, so that the slope is in points for a weight of 1;
    `diccae.functional.pair_slopes` says why it is not the change since the start of training.
    `mantel_p` is the p-value of `mantel_pvalue`, for the slope of a seed or for the mean slope.

    Raises:
        UserError: the plan has no section `mechanism`, or a run is missing or does not weigh pairs.
    """
    classes = _scored_classes(plan)
    weights, errors, flat = _over_seeds(plan, classes)
    change = errors - flat
    slopes = [pair_slope(*pair) for pair in zip(weights, change, strict=True)]
    undefined = Interval(float("nan"), float("nan"), float("nan"))
    whole = undefined if np.isnan(slopes).any() else t_interval(slopes)
    intervals = [Interval(slope, float("nan"), float("nan")) for slope in slopes] + [whole]
    parts = [slice(place, place + 1) for place in range(len(slopes))] + [slice(None)]
    rows = []
    for name, part, (slope, low, high) in zip(
        [*map(str, plan.seeds), ALL], parts, intervals, strict=True
    ):
        rng = np.random.default_rng(PERMUTATION_SEED)
        rows.append(
            {
                "seed": name,
                "classes": len(classes),
                "pairs": len(classes) * (len(classes) - 1) // 2,
                "slope": slope,
                "low": low,
                "high": high,
                "mantel_p": mantel_pvalue(weights[part], change[part], PERMUTATIONS, rng),
                "permutations": PERMUTATIONS,
                "note": FLAT if np.isnan(slope) else "",
            }
        )
    return pd.DataFrame(rows)


def conclusion(row: dict[str, Any]) -> str:
    """What the slope of all seeds says, in a sentence: the place of its interval decides.

    Args:
        row: the last one of `pair_slopes`.
    """
    if not np.isfinite(row["slope"]):
        return f"No slope: in a seed, {FLAT}."
    if not np.isfinite(row["low"]):
        return f"No conclusion: {TOO_FEW}."
    if row["high"] < 0:
        return "The larger the weight of a pair, the lower its error relative to flat weights."
    if row["low"] > 0:
        return "The larger the weight of a pair, the higher its error relative to flat weights."
    return "Undecided: the interval of the slope contains 0."


def _scored_classes(plan: Plan) -> NDArray[np.int64]:
    """The classes with test clips."""
    section = section_of(plan, "mechanism")
    counts = degrees.confusion_matrix(plan, section.variant, plan.seeds[0], section.modality)
    return np.flatnonzero(counts.sum(1))


def _over_seeds(
    plan: Plan, classes: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """(S, C, C) weights, errors with them, and errors with flat weights."""
    section = section_of(plan, "mechanism")
    chosen, found = np.ix_(classes, classes), []
    for seed in plan.seeds:
        weights = _array(plan, section.variant, seed, "mean_weight")
        if weights is None:
            raise UserError(
                f"mechanism.variant: wanted a variant whose losses weigh pairs of classes, got "
                f"{section.variant!r}, which has no mean_weight in confusion.npz; name another in "
                f"configs/plans/{plan.unchanged.name}.yaml"
            )
        errors = (
            pair_errors(degrees.confusion_matrix(plan, variant, seed, section.modality))[chosen]
            for variant in (section.variant, section.flat)
        )
        found.append((weights.mean(0)[chosen], *errors))
    stacked = [np.stack(each) for each in zip(*found, strict=True)]
    return stacked[0], stacked[1], stacked[2]


def _array(plan: Plan, variant: str, seed: int, name: str) -> NDArray[np.float64] | None:
    modality = section_of(plan, "mechanism").modality
    return degrees.pair_arrays(plan, variant, seed, modality, name)
