"""The smallest true difference that the seeds, or the groups and rotations, of a plan can show."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diccae.functional.bootstrap import enough_seeds
from diccae.functional.power import smallest_visible, visible_by_error
from diccae.functional.two_way import two_way_variance
from diccae.plans import Plan
from diccae.reporting import collect


class Range(NamedTuple):
    """The least and the greatest of some differences, in points."""

    least: float
    greatest: float


def visible_difference(
    plan: Plan,
    clips: pd.DataFrame,
    first: NDArray[np.bool_] | NDArray[np.float64],
    second: NDArray[np.bool_] | NDArray[np.float64],
) -> float:
    """The smallest true difference between two variants, in points, that the interval of
    `diccae.reporting.intervals.difference_interval` shows with 80 % power, by the measured spread;
    NaN with too few seeds or where nothing varies.

    Args:
        plan: decides which kind of interval.
        clips: the N test clips, with the columns `label` and `group`.
        first, second: (S, N) whether each seed classified each clip correctly, or its share.
    """
    if plan.split_into is None:
        sides = 100 * first.mean(axis=1), 100 * second.mean(axis=1)
        drops = sides[0] - sides[1]
        # as for the interval: what is left of equal differences is no spread
        if not enough_seeds(drops, float(np.abs(sides).max())):
            return math.nan
        return smallest_visible(float(drops.std(ddof=1)), len(drops))
    values = 100.0 * first - 100.0 * second
    variance = two_way_variance(values, clips["label"], clips["group"])
    return visible_by_error(variance.total**0.5, variance.freedom)


def visible_between(plan: Plan, variant: str, other: str | None, modality: str) -> float:
    """As `visible_difference`, between two variants of the plan; NaN for a variant and itself, and
    where there is no other."""
    if other is None or variant == other:
        return math.nan
    pair = collect.hits_of(plan, (variant, modality), (other, modality))
    return visible_difference(plan, collect.clips(plan, variant, modality), *pair)


def visible_range(rows: Iterable[Mapping[str, Any]] | None) -> Range | None:
    """The range of the column `smallest_visible` of a table; None where no row has a number."""
    values = [row.get("smallest_visible", math.nan) for row in rows or []]
    known = [value for value in values if np.isfinite(value)]
    return Range(min(known), max(known)) if known else None
