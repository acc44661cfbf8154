"""What the place of an interval says about a claim; each row has one interval and one rule.

All functions take arrays of intervals, so that the error rates of a rule can be simulated with the
rule itself (`benchmarks/verdict_errors.py`). NumPy only.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

SAME, OPPOSITE = "same direction", "opposite direction"
NO_EFFECT, SMALLER = "no effect of that size", "smaller than printed"
CONFIRMED, CONTRADICTED = "confirmed", "contradicted"
AS_EXPECTED, ALARM = "as expected", "alarm"
TOO_FEW = "too few seeds"


def simultaneous_level(rows: int, error: float = 0.05) -> float:
    """Confidence level of each of some intervals, which then all cover with probability 1 - error
    or more (Bonferroni).

    Raises:
        ValueError: fewer than one row.
    """
    if rows < 1:
        raise ValueError(f"simultaneous_level: wanted at least one row, got {rows}")
    return 1 - error / rows


def judge_interval(
    low: ArrayLike, high: ArrayLike, sesoi: float | None = None, printed: float | None = None
) -> dict[str, Bool[np.ndarray, "..."]]:
    """Which words hold for intervals of differences that a claim says are positive.

    `same direction`: all above 0. `opposite direction`: all below 0. `no effect of that size`:
    inside ± sesoi, beside a direction or without one. `smaller than printed`: the upper end lies
    below the printed difference, unless one of the two words before says as much. `too few seeds`:
    none of these.

    Args:
        low, high: (...) ends of the intervals; NaN for those that could not be computed.
        sesoi: smallest effect size of interest, in the unit of the intervals; None for exploratory
            rows, for which none was fixed.
        printed: the difference in the paper; None if it prints none.

    Returns:
        (...) of booleans for each word.
    """
    ends = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    nothing = np.zeros(ends[0].shape, dtype=bool)
    found = {SAME: ends[0] > 0, OPPOSITE: ends[1] < 0}
    found[NO_EFFECT] = nothing if sesoi is None else (ends[0] > -sesoi) & (ends[1] < sesoi)
    below = nothing if printed is None else ends[1] < printed
    found[SMALLER] = below & ~found[OPPOSITE] & ~found[NO_EFFECT]
    found[TOO_FEW] = ~np.any(list(found.values()), axis=0)
    return found


def judge_gaps(
    one_sided_low: Float[np.ndarray, "... k"], simultaneous_high: Float[np.ndarray, "... k"]
) -> dict[str, Bool[np.ndarray, "..."]]:
    """Which word holds for an order, from the intervals of the gaps that it says are positive.

    `confirmed`: every gap is above 0, each at its own level: an order is wrong as soon as one gap
    is, so that no correction is needed (intersection-union). `contradicted`: some gap is below 0
    at the simultaneous level. `too few seeds`: neither.

    Args:
        one_sided_low: lower ends of one-sided intervals of the gaps.
        simultaneous_high: upper ends of their simultaneous intervals. NaN for those that could not
            be computed, in both.

    Returns:
        (...) of booleans for each word.
    """
    confirmed = np.asarray(np.all(one_sided_low > 0, axis=-1))
    contradicted = np.asarray(np.any(simultaneous_high < 0, axis=-1))
    return {
        CONFIRMED: confirmed,
        CONTRADICTED: contradicted,
        TOO_FEW: ~(confirmed | contradicted),
    }


def judge_null(low: ArrayLike, high: ArrayLike) -> dict[str, Bool[np.ndarray, "..."]]:
    """Which word holds for intervals of differences that must be 0 if nothing is wrong.

    `as expected`: the interval contains 0. `alarm`: it does not, which intervals at the level 1 - e
    do in a share e of cases although nothing is wrong. `too few seeds`: there is no interval.

    Args:
        low, high: (...) ends of the intervals; NaN for those that could not be computed.

    Returns:
        (...) of booleans for each word.
    """
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    known = np.isfinite(low) & np.isfinite(high)
    contains = (low <= 0) & (high >= 0)
    return {AS_EXPECTED: known & contains, ALARM: known & ~contains, TOO_FEW: ~known}


def best_of_others(
    validation: Float[np.ndarray, "v s"], scores: Float[np.ndarray, "v s ..."]
) -> Float[np.ndarray, "s ..."]:
    """Scores of the best of V variants, chosen for each seed on the other seeds.

    To choose and to score on the same models would favour the chosen variant.

    Args:
        validation: what the variants are chosen by: the mean over the other seeds, the larger the
            better. The scores of variants that tie are averaged.
        scores: of each variant and seed.

    Raises:
        ValueError: fewer than two seeds.
    """
    seeds = validation.shape[1]
    if seeds < 2:
        raise ValueError(f"best_of_others: wanted at least two seeds, got {seeds}")
    others = validation.sum(axis=1, keepdims=True) - validation
    tie = 1e-12 * seeds * float(np.abs(validation).max())
    chosen = others >= others.max(axis=0) - tie
    return np.stack([scores[chosen[:, seed], seed].mean(axis=0) for seed in range(seeds)])
