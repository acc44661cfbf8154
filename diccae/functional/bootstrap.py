"""Intervals, paired tests and bootstraps over seeds and over clips.

Statistics over seeds need at least `MIN_SEEDS` of them, and values that are not all equal: without
a spread to estimate there is no interval and no p-value, and both are NaN.

NumPy and SciPy only; randomness comes from the Generator that is handed in.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy import stats

# fewer seeds give no interval, no p-value and no support
MIN_SEEDS = 4
# limits of an accuracy and of a difference of two, in percent
ACCURACY, DIFFERENCE = (0.0, 100.0), (-100.0, 100.0)


class Interval(NamedTuple):
    """An estimate and the ends of its interval, in the unit of the values.

    Both ends are NaN where the values give no interval.
    """

    estimate: float
    low: float
    high: float


def enough_seeds(values: ArrayLike, scale: float | None = None) -> bool:
    """Whether (S,) values, one per seed, have a spread that can be estimated.

    Args:
        values: at least `MIN_SEEDS` of them, not all equal.
        scale: size of the numbers that the values are differences of, which bounds their rounding
            errors; None if it is not known.

    Raises:
        ValueError: no values, or a shape other than (S,).
    """
    sample = _vector(values)
    rounding = 1e-9 * float(np.abs(sample).max()) if scale is None else 1e-12 * scale
    return len(sample) >= MIN_SEEDS and not float(sample.std(ddof=1)) <= rounding


def t_interval(
    values: ArrayLike,
    level: float = 0.95,
    *,
    limits: tuple[float, float] = (-math.inf, math.inf),
) -> Interval:
    """Student's t interval of the mean of (S,) values, one per seed.

    Both ends are NaN with fewer than `MIN_SEEDS` values, or if all are equal.

    Args:
        values: one per seed.
        level: of the interval, in (0, 1).
        limits: lowest and highest possible mean; the ends of the interval are clipped to them. The
            interval covers as often as before, since no mean lies in what is cut off.

    Raises:
        ValueError: no values, or a shape other than (S,).
    """
    return _t_interval(_vector(values), level, limits, None)


def paired_t_interval(
    first: ArrayLike,
    second: ArrayLike,
    level: float = 0.95,
    *,
    limits: tuple[float, float] = (-math.inf, math.inf),
) -> Interval:
    """Student's t interval of the mean of first - second, (S,) each, paired by seed.

    Both ends are NaN with fewer than `MIN_SEEDS` seeds, or if all differences are equal. Arguments
    as in `t_interval`.

    Raises:
        ValueError: no values, shapes other than (S,), or different numbers of seeds.
    """
    return _t_interval(_differences(first, second), level, limits, _scale(first, second))


def paired_t_pvalue(first: ArrayLike, second: ArrayLike) -> float:
    """Two-sided p-value of the paired t-test, (S,) each.

    NaN with fewer than `MIN_SEEDS` seeds, or if all differences are equal: these have no spread to
    hold their mean against.

    Raises:
        ValueError: no values, shapes other than (S,), or different numbers of seeds.
    """
    difference = _differences(first, second)
    if not enough_seeds(difference, _scale(first, second)):
        return float("nan")
    mean, spread = float(difference.mean()), float(difference.std(ddof=1))
    return float(2 * stats.t.sf(abs(mean) / spread * len(difference) ** 0.5, len(difference) - 1))


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


def _scale(first: ArrayLike, second: ArrayLike) -> float:
    return float(np.abs(np.concatenate([_vector(first), _vector(second)])).max())


def _t_interval(
    sample: Float[np.ndarray, "s"],
    level: float,
    limits: tuple[float, float],
    scale: float | None,
) -> Interval:
    mean = float(sample.mean())
    if not enough_seeds(sample, scale):
        return Interval(mean, float("nan"), float("nan"))
    half = (
        float(stats.t.ppf((1 + level) / 2, len(sample) - 1))
        * float(sample.std(ddof=1))
        / len(sample) ** 0.5
    )
    return Interval(mean, max(mean - half, limits[0]), min(mean + half, limits[1]))


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
