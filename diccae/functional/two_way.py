"""Intervals for other groups of clips and other rotations at once.

Clips that are cut from one recording are alike, so a mean over test clips is as certain as its
number of groups (recordings, persons) allows, and no number of rotations of the same groups makes
it more certain. The variance of the mean over R rotations has three parts:

    groups     other recordings would be easier or harder,
    rotations  other models would be better or worse on all clips,
    noise      other models would be right about other clips.

The spread of the per-clip means over groups contains the first and the last, and the spread of the
rotations the last two. Their sum counts the noise twice, so one share of it is subtracted, as in
the two-way clustered variance of Cameron, Gelbach and Miller (2011).

NumPy and SciPy only.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from scipy import stats

from diccae.functional.bootstrap import MIN_SEEDS, Interval
from diccae.functional.groups import group_influence, rotation_means, values_of_clips

# a standard error below this share of the largest value is a rounding error
ROUNDING = 1e-9


class Variance(NamedTuple):
    """Variance of a mean over rotations and clips, in the squared unit of the values.

    Attributes:
        groups: of the mean over clips of the values averaged over rotations, by the jackknife over
            groups; it contains `noise`.
        rotations: of the mean over rotations, by their spread; it contains `noise`.
        noise: of what differs between rotations within a group.
        total: `groups + rotations - noise`, where neither of the first two counts as less than
            `noise`.
        freedom: degrees of freedom of `total` (Satterthwaite).

    `total` and `freedom` are NaN with fewer than `MIN_SEEDS` rotations or a single group, and where
    nothing varies.
    """

    groups: float
    rotations: float
    noise: float
    total: float
    freedom: float


def two_way_interval(
    values: ArrayLike,
    classes: ArrayLike,
    groups: ArrayLike,
    level: float = 0.95,
    *,
    limits: tuple[float, float] = (-np.inf, np.inf),
) -> Interval:
    """Interval of a mean accuracy or paired difference for other groups and other rotations.

    Student's t with the variance and the degrees of freedom of `two_way_variance`. Both ends are
    NaN where that has none. The groups are other test clips: that models would also be trained on
    other groups is no part of it (`docs/statistics.md` has the simulated coverage of both).

    Args:
        values: (R, N), one row a rotation (or seed), one column a test clip: whether it was right
            (0 or 100), or the difference of two variants. NaN where a rotation did not score it.
        classes: (N,) class of each clip.
        groups: (N,) group of each clip: numbers or texts.
        level: of the interval, in (0, 1).
        limits: lowest and highest possible mean; the ends are clipped to them.

    Raises:
        ValueError: no values in a rotation, or classes or groups of another length.
    """
    return _interval(values, *two_way_variance(values, classes, groups)[-2:], level, limits)


def group_interval(
    values: ArrayLike,
    classes: ArrayLike,
    groups: ArrayLike,
    level: float = 0.95,
    *,
    limits: tuple[float, float] = (-np.inf, np.inf),
) -> Interval:
    """Interval of a mean for other groups alone: the trained models stay, and one is enough.

    Arguments and errors as in `two_way_interval`; both ends are NaN with a single group, and where
    nothing varies.
    """
    return _interval(values, *_group_variance(values, classes, groups), level, limits)


def group_pvalue(values: ArrayLike, classes: ArrayLike, groups: ArrayLike) -> float:
    """Two-sided p-value of a mean of zero: below 1 - level where `group_interval` excludes zero.

    Arguments and errors as there; NaN where there is no interval.
    """
    variance, freedom = _group_variance(values, classes, groups)
    if np.isnan(variance):
        return float("nan")
    return float(2 * stats.t.sf(abs(float(rotation_means(values).mean())) / variance**0.5, freedom))


def two_way_variance(values: ArrayLike, classes: ArrayLike, groups: ArrayLike) -> Variance:
    """Variance of the mean of (R, N) values for other groups within class and other rotations.

    `groups` and `noise` are jackknife variances: one group of a class left out at a time, the
    share of each class in the clips kept. They are what a bootstrap over groups within class
    estimates, without its bias of (n - 1) / n for n groups of a class and with no bias from groups
    of unequal sizes. Subtracting `noise` once keeps the coverage at its level where the plain sum
    of both spreads gives intervals that are up to 1.4 times too wide (simulated in
    `benchmarks/interval_coverage.py`).

    A class whose clips are all of one group has no spread over groups. It is put together with the
    other such classes (a single one with the class of the fewest groups), so that their differences
    count as differences between groups: the interval gets wider. A group with clips of several
    classes stays one group: each clip is held against its own class, and these classes form one
    stratum.

    Arguments and errors as in `two_way_interval`.
    """
    means = rotation_means(values)
    influence, strata = group_influence(values, classes, groups)
    rotations = len(means)
    if rotations < MIN_SEEDS or influence.shape[1] < 2:
        return Variance(*[float("nan")] * 5)
    sizes = np.bincount(strata)
    mean = influence.mean(axis=0)
    by_stratum = _jackknife(mean**2, strata)
    noise_by_stratum = _jackknife(((influence - mean) ** 2).sum(axis=0), strata) / (rotations - 1)
    over_groups, noise = float(by_stratum.sum()), float(noise_by_stratum.sum()) / rotations
    over_rotations = float(means.var(ddof=1)) / rotations
    total = noise + max(0.0, over_groups - noise) + max(0.0, over_rotations - noise)
    if _is_rounding(total, values):
        return Variance(over_groups, over_rotations, noise, float("nan"), float("nan"))
    # each spread that is kept in the total, with its sign and its degrees of freedom
    kept = [over_groups > noise, over_rotations > noise]
    freedom = total**2 / (
        kept[0] * float((by_stratum**2 / (sizes - 1)).sum())
        + kept[1] * over_rotations**2 / (rotations - 1)
        + (1 - sum(kept)) ** 2
        * float((noise_by_stratum**2 / (sizes - 1)).sum())
        / (rotations**2 * (rotations - 1))
    )
    return Variance(over_groups, over_rotations, noise, total, freedom)


def _group_variance(
    values: ArrayLike, classes: ArrayLike, groups: ArrayLike
) -> tuple[float, float]:
    """Variance over groups of the values averaged over rotations, and its degrees of freedom."""
    influence, strata = group_influence(values, classes, groups)
    if influence.shape[1] < 2:
        return float("nan"), float("nan")
    by_stratum = _jackknife(influence.mean(axis=0) ** 2, strata)
    total = float(by_stratum.sum())
    if _is_rounding(total, values):
        return float("nan"), float("nan")
    return total, total**2 / float((by_stratum**2 / (np.bincount(strata) - 1)).sum())


def _jackknife(
    squares: Float[np.ndarray, "g"], strata: Int[np.ndarray, "g"]
) -> Float[np.ndarray, "s"]:
    """Jackknife variance of each stratum from the squared influence of its groups."""
    return (1 - 1 / np.bincount(strata)) * np.bincount(strata, squares)


def _is_rounding(variance: float, values: ArrayLike) -> bool:
    return not variance**0.5 > ROUNDING * float(np.nanmax(np.abs(values_of_clips(values))))


def _interval(
    values: ArrayLike,
    variance: float,
    freedom: float,
    level: float,
    limits: tuple[float, float],
) -> Interval:
    mean = float(rotation_means(values).mean())
    if np.isnan(variance):
        return Interval(mean, float("nan"), float("nan"))
    half = float(stats.t.ppf((1 + level) / 2, freedom)) * variance**0.5
    return Interval(mean, max(mean - half, limits[0]), min(mean + half, limits[1]))
