"""Intervals, paired tests and bootstraps over seeds and over clips.

NumPy and SciPy only; randomness comes from the Generator that is handed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy import stats


class Interval(NamedTuple):
    """An estimate and the ends of its interval, in the unit of the values.

    Both ends are NaN where one value gives no interval.
    """

    estimate: float
    low: float
    high: float


def t_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Student's t interval of the mean of (S,) values, one per seed; both ends NaN with one seed.

    Raises:
        ValueError: no values, or a shape other than (S,).
    """
    sample = _vector(values)
    mean = float(sample.mean())
    if len(sample) < 2:
        return Interval(mean, float("nan"), float("nan"))
    half = (
        float(stats.t.ppf((1 + level) / 2, len(sample) - 1))
        * float(sample.std(ddof=1))
        / len(sample) ** 0.5
    )
    return Interval(mean, mean - half, mean + half)


def paired_t_interval(first: ArrayLike, second: ArrayLike, level: float = 0.95) -> Interval:
    """Student's t interval of the mean of first - second, (S,) each, paired by seed.

    With one seed both ends are NaN.

    Raises:
        ValueError: no values, shapes other than (S,), or different numbers of seeds.
    """
    return t_interval(_differences(first, second), level)


def paired_t_pvalue(first: ArrayLike, second: ArrayLike) -> float:
    """Two-sided p-value of the paired t-test, (S,) each. NaN with one seed.

    Differences that are all the same have no spread: the p-value is then its limit, 1.0 if they are
    all 0 and 0.0 otherwise.

    Raises:
        ValueError: no values, shapes other than (S,), or different numbers of seeds.
    """
    difference = _differences(first, second)
    if len(difference) < 2:
        return float("nan")
    mean, spread = float(difference.mean()), float(difference.std(ddof=1))
    rounding = 1e-12 * float(np.abs(np.concatenate([_vector(first), _vector(second)])).max())
    if spread <= rounding:
        return 1.0 if abs(mean) <= rounding else 0.0
    return float(2 * stats.t.sf(abs(mean) / spread * len(difference) ** 0.5, len(difference) - 1))


def holm(pvalues: ArrayLike) -> Float[np.ndarray, "m"]:
    """Holm's step-down correction: (m,) p-values -> (m,) adjusted ones, in the given order.

    A NaN stays NaN and still counts in m, so that a test which could not be made does not ease the
    others.
    """
    p = np.asarray(pvalues, dtype=np.float64)
    adjusted = np.full(len(p), np.nan)
    order = [index for index in np.argsort(p, kind="stable") if not np.isnan(p[index])]
    largest = 0.0
    for position, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - position) * float(p[index])))
        adjusted[index] = largest
    return adjusted


def clip_bootstrap(
    correct: ArrayLike,
    strata: ArrayLike | None = None,
    *,
    n: int = 2000,
    level: float = 0.95,
    rng: np.random.Generator,
) -> Interval:
    """Percentile interval of the mean accuracy when the clips are drawn anew, the seeds kept.

    Args:
        correct: (S, N), or (N,) for one seed; bool, or values of any unit: seed s is right about
            clip i. All seeds share the drawn clips.
        strata: (N,) class of each clip; each class then keeps its number of clips. None draws from
            all clips alike.
        n: number of resamples.
        level: of the interval, in (0, 1).
        rng: the source of randomness.

    Raises:
        ValueError: no clips, or strata of another length.
    """
    return _resample(_per_clip(correct), strata, n, level, rng)


def paired_clip_bootstrap(
    first: ArrayLike,
    second: ArrayLike,
    strata: ArrayLike | None = None,
    *,
    n: int = 2000,
    level: float = 0.95,
    rng: np.random.Generator,
) -> Interval:
    """Percentile interval of the mean of first - second over the same clips, (S, N) and (S', N).

    Arguments as in `clip_bootstrap`.

    Raises:
        ValueError: no clips, other clips in one of them, or strata of another length.
    """
    a, b = _per_clip(first), _per_clip(second)
    if len(a) != len(b):
        raise ValueError(
            f"paired bootstrap: wanted the same clips in both, got {len(a)} and {len(b)}"
        )
    return _resample(a - b, strata, n, level, rng)


def order_support(
    drops: ArrayLike, order: Sequence[int], *, n: int = 10000, rng: np.random.Generator
) -> float:
    """Share of bootstrap resamples of the seeds whose mean drops fall strictly in the given order.

    In [0, 1]; NaN with one seed.

    Args:
        drops: (S, V) drop of each of V variants in each of S seeds; a resample takes whole seeds.
        order: columns of `drops`, largest drop first.
        n: number of resamples.
        rng: the source of randomness.
    """
    table = np.asarray(drops, dtype=np.float64)[:, list(order)]
    if len(table) < 2:
        return float("nan")
    # counts times drops: seeds drawn in another order give the same bits, and ties stay ties
    counts = rng.multinomial(len(table), np.full(len(table), 1 / len(table)), size=n)
    steps = counts @ (table[:, :-1] - table[:, 1:])
    return float((steps > 1e-12 * max(1.0, float(np.abs(table).max()))).all(axis=1).mean())


def _vector(values: ArrayLike) -> Float[np.ndarray, "s"]:
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or not len(sample):
        raise ValueError(f"wanted (S,) values with S >= 1, got shape {sample.shape}")
    return sample


def _differences(first: ArrayLike, second: ArrayLike) -> Float[np.ndarray, "s"]:
    a, b = _vector(first), _vector(second)
    if len(a) != len(b):
        raise ValueError(
            f"paired statistics: wanted one value a seed in both, got {len(a)} and {len(b)}"
        )
    return a - b


def _per_clip(correct: ArrayLike) -> Float[np.ndarray, "n"]:
    table = np.atleast_2d(np.asarray(correct, dtype=np.float64))
    if table.ndim != 2 or not table.size:
        raise ValueError(f"clip bootstrap: wanted (S, N) with S, N >= 1, got shape {table.shape}")
    # rounded so that sums taken in another order fall into one group below
    return np.round(table.mean(axis=0), 12)


def _resample(
    values: Float[np.ndarray, "n"],
    strata: ArrayLike | None,
    n: int,
    level: float,
    rng: np.random.Generator,
) -> Interval:
    groups = np.zeros(len(values), dtype=np.int64) if strata is None else np.asarray(strata)
    if len(groups) != len(values):
        raise ValueError(
            f"clip bootstrap: wanted a stratum for each of {len(values)} clips, got {len(groups)}"
        )
    sums = np.zeros(n)
    for group in np.unique(groups):
        # clips of a class differ in a handful of values only: drawing how often each value occurs
        # is drawing the clips, in a fraction of the time
        distinct, counts = np.unique(np.round(values[groups == group], 12), return_counts=True)
        sums += rng.multinomial(counts.sum(), counts / counts.sum(), size=n) @ distinct
    low, high = np.quantile(sums / len(values), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high))
