"""Power of the paired t-interval of a difference between seeds."""

from __future__ import annotations

import numpy as np
from scipy import optimize, stats

from diccae.functional.bootstrap import MIN_SEEDS

POWER = 0.80


def smallest_visible(spread: float, seeds: int, level: float = 0.95, power: float = POWER) -> float:
    """The true difference that the t-interval of the mean of normal differences places on its own
    side of zero with this power; NaN with fewer than `MIN_SEEDS` seeds or without a spread.

    Args:
        spread: standard deviation of the differences between seeds.
        seeds: number of differences.
        level: confidence level of the interval.
        power: probability that the interval excludes zero on the side of the difference.

    Returns:
        The difference, in the unit of `spread`.
    """
    if seeds < MIN_SEEDS:
        return float("nan")
    return visible_by_error(spread / seeds**0.5, seeds - 1, level, power)


def visible_by_error(
    error: float, freedom: float, level: float = 0.95, power: float = POWER
) -> float:
    """As `smallest_visible`, for a mean with a standard error and its degrees of freedom; NaN where
    one of them is not known or there is no error.

    Args:
        error: standard error of the mean difference.
        freedom: degrees of freedom of its t-interval.
        level, power: as in `smallest_visible`.

    Returns:
        The difference, in the unit of `error`.
    """
    if not np.isfinite([error, freedom]).all() or error <= 0:
        return float("nan")
    edge = float(stats.t.ppf((1 + level) / 2, freedom))

    def excess(shift: float) -> float:
        return float(stats.nct.sf(edge, freedom, shift)) - power

    # the median of a noncentral t is about its shift; no edge at one degree of freedom or more
    # needs ten times
    shift = optimize.brentq(excess, 0.0, 10 * edge + 10)
    return float(shift) * error
