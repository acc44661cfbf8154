"""Intervals for other groups of clips and other rotations at once.

Clips that are cut from one recording are alike, so a mean over test clips is as certain as its
number of groups (recordings, persons) allows, and no number of rotations of the same groups makes
it more certain. The variance of the mean over R rotations has three parts:

    groups     other recordings would be easier or harder,
    rotations  other models would be better or worse on all clips,
    noise      other models would be right about other clips.

The spread of the per-clip means over groups contains the first and the last, and the spread of the
rotations the last two. Their sum counts the noise twice, so one share of it is subtracted, as in
the variance clustered in two ways (Cameron, Gelbach and Miller 2011).

NumPy and SciPy only.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from scipy import stats
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from diccae.functional.bootstrap import MIN_SEEDS, Interval

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
    NaN where that has none.

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
    variance = two_way_variance(values, classes, groups)
    mean = float(_means(values).mean())
    if np.isnan(variance.total):
        return Interval(mean, float("nan"), float("nan"))
    half = float(stats.t.ppf((1 + level) / 2, variance.freedom)) * variance.total**0.5
    return Interval(mean, max(mean - half, limits[0]), min(mean + half, limits[1]))


def two_way_pvalue(values: ArrayLike, classes: ArrayLike, groups: ArrayLike) -> float:
    """Two-sided p-value of a mean of zero: below 1 - level where `two_way_interval` excludes zero.

    Arguments and errors as there; NaN where there is no interval.
    """
    variance = two_way_variance(values, classes, groups)
    if np.isnan(variance.total):
        return float("nan")
    mean = float(_means(values).mean())
    return float(2 * stats.t.sf(abs(mean) / variance.total**0.5, variance.freedom))


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
    means = _means(values)
    influence, strata = group_influence(values, classes, groups)
    rotations = len(means)
    sizes = np.bincount(strata)
    if rotations < MIN_SEEDS or influence.shape[1] < 2:
        return Variance(*[float("nan")] * 5)

    def jackknife(u: Float[np.ndarray, "g"]) -> Float[np.ndarray, "s"]:
        return (1 - 1 / sizes) * np.bincount(strata, u**2)

    mean = influence.mean(axis=0)
    by_stratum = jackknife(mean)
    noise_by_stratum = jackknife(((influence - mean) ** 2).sum(axis=0) ** 0.5) / (rotations - 1)
    over_groups, noise = float(by_stratum.sum()), float(noise_by_stratum.sum()) / rotations
    over_rotations = float(means.var(ddof=1)) / rotations
    total = noise + max(0.0, over_groups - noise) + max(0.0, over_rotations - noise)
    if not total**0.5 > ROUNDING * float(np.nanmax(np.abs(_table(values)))):
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


def group_influence(
    values: ArrayLike, classes: ArrayLike, groups: ArrayLike
) -> tuple[Float[np.ndarray, "r g"], Int[np.ndarray, "g"]]:
    """By how much each group moves the mean of each rotation, and the stratum of each group.

    The mean changes by minus that amount if the group is left out and the share of each class is
    kept. Arguments and errors as in `two_way_interval`.
    """
    table = _table(values)
    names, class_of = np.unique(_of_clips("classes", classes, table), return_inverse=True)
    members, group_of = np.unique(_of_clips("groups", groups, table), return_inverse=True)
    class_of = _merged(class_of, group_of)
    # a cell holds the clips of one group in one class
    cells, cell_of = np.unique(class_of * len(members) + group_of, return_inverse=True)
    cell_class, cell_group = cells // len(members), cells % len(members)
    scored = (~np.isnan(table)).astype(np.float64)
    size, sums = _sums(scored, cell_of), _sums(np.nan_to_num(table), cell_of)
    of_class = np.maximum(1, _sums(size, cell_class))
    share = size / of_class[:, cell_class]
    residual = sums - size * (_sums(sums, cell_class) / of_class)[:, cell_class]
    # a share of 1 is a class of one group, whose residual is 0
    residual /= np.where(share < 1, 1 - share, 1) * scored.sum(axis=1, keepdims=True)
    links = coo_array(
        (np.ones(len(cells)), (cell_class, len(names) + cell_group)),
        shape=(len(names) + len(members),) * 2,
    )
    strata = connected_components(links, directed=False)[1][len(names) :]
    return _sums(residual, cell_group), np.unique(strata, return_inverse=True)[1]


def _merged(class_of: Int[np.ndarray, "n"], group_of: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    """Classes in which those of a single group are put together."""
    pairs = np.unique(np.stack([class_of, group_of]), axis=1)
    counts = np.bincount(pairs[0])
    alone = np.flatnonzero(counts == 1)
    if not len(alone):
        return class_of
    together = set(alone)
    if len(np.unique(pairs[1][np.isin(pairs[0], alone)])) == 1 and len(alone) < len(counts):
        others = np.flatnonzero(counts > 1)
        together.add(others[counts[others].argmin()])
    return np.where(np.isin(class_of, list(together)), alone[0], class_of)


def _sums(
    values: Float[np.ndarray, "r n"], place: Int[np.ndarray, "n"]
) -> Float[np.ndarray, "r m"]:
    """Columns of the same place summed, for places 0, 1, ... that may be missing in between."""
    count = int(place.max()) + 1
    columns = coo_array((np.ones(len(place)), (np.arange(len(place)), place)), (len(place), count))
    return np.asarray((columns.T.tocsr() @ values.T).T)


def _table(values: ArrayLike) -> Float[np.ndarray, "r n"]:
    table = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if table.ndim != 2 or not table.size:
        raise ValueError(f"two-way interval: wanted (R, N) with R, N >= 1, got shape {table.shape}")
    if np.isnan(table).all(axis=1).any():
        raise ValueError("two-way interval: wanted values in every rotation, got one of NaN alone")
    return table


def _means(values: ArrayLike) -> Float[np.ndarray, "r"]:
    """The mean of each rotation."""
    return np.nanmean(_table(values), axis=1)


def _of_clips(name: str, column: ArrayLike, table: Float[np.ndarray, "r n"]) -> np.ndarray:
    found = np.asarray(column)
    if found.shape != (table.shape[1],):
        raise ValueError(
            f"two-way interval: wanted {name} of {table.shape[1]} clips, got shape {found.shape}"
        )
    return found
