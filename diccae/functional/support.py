"""How often a statement about variants holds when seeds, or groups and rotations, are drawn anew.

A resample in which a mean is exactly tied counts one half. The resamples of up to 12 seeds are all
enumerated, so that the support is exact; of more seeds, `DRAWN` resamples are drawn.

NumPy only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, combinations

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from diccae.functional.bootstrap import MIN_SEEDS
from diccae.functional.groups import group_influence

# resamples that are enumerated at most (12 seeds have 1,352,078), drawn otherwise, held at once
ENUMERATED, DRAWN, BLOCK = 2_000_000, 100_000, 65536
# resamples of groups held at once
GROUP_BLOCK = 500


def order_support(
    drops: ArrayLike, order: Sequence[int], *, rng: np.random.Generator | None = None
) -> float:
    """Share of bootstrap resamples of the seeds whose mean drops fall in the given order.

    Args:
        drops: (S, V) drop of each of V variants in each of S seeds; a resample takes whole seeds.
        order: columns of `drops`, largest drop first.
        rng: for more than 12 seeds; None for a fixed one.

    Returns:
        In [0, 1]; a resample in which two neighbours tie and no pair is reversed counts one half.
        NaN with fewer than `MIN_SEEDS` seeds, or if all seeds have the same differences.

    Raises:
        ValueError: drops of another shape, or fewer than two columns in `order`.
    """
    table = _table(drops)[:, list(order)]
    if table.shape[1] < 2:
        raise ValueError(f"order_support: wanted at least two columns, got {list(order)}")
    return _support(table[:, :-1] - table[:, 1:], float(np.abs(table).max()), rng)


def extreme_support(
    drops: ArrayLike, column: int, *, rng: np.random.Generator | None = None
) -> float:
    """Share of bootstrap resamples of the seeds in which one variant has the largest mean drop.

    Args:
        drops: (S, V) drop of each of V variants in each of S seeds; a resample takes whole seeds.
        column: the variant.
        rng: for more than 12 seeds; None for a fixed one.

    Returns:
        In [0, 1]; a resample in which another variant ties for the largest counts one half. NaN
        with fewer than `MIN_SEEDS` seeds, or if all seeds have the same differences.

    Raises:
        ValueError: drops of another shape, or of a single variant.
    """
    table = _table(drops)
    if table.shape[1] < 2:
        raise ValueError("extreme_support: wanted at least two variants, got one")
    others = np.delete(table, column, axis=1)
    return _support(table[:, [column]] - others, float(np.abs(table).max()), rng)


def two_way_support(
    steps: ArrayLike,
    classes: ArrayLike,
    groups: ArrayLike,
    *,
    draws: int = 4000,
    rng: np.random.Generator | None = None,
) -> float:
    """Share of bootstrap resamples of groups and of rotations in which the mean of every step is
    above 0.

    Groups are drawn within their strata, in which the shares of the classes are kept, and rotations
    independently of them (the pigeonhole bootstrap of Owen 2007). It counts the noise of training
    more than once, so a support is nearer to one half than it would be without.

    Args:
        steps: (K, R, N), K paired differences of clips in rotations, such as those of neighbours
            in an order.
        classes, groups: (N,) of each clip.
        draws: number of resamples.
        rng: None for a fixed one.

    Returns:
        In [0, 1]; a resample in which the smallest mean is exactly 0 counts one half. NaN with
        fewer than `MIN_SEEDS` rotations or a single group, or if nothing differs between either.

    Raises:
        ValueError: steps of another shape, or classes or groups of another length.
    """
    table = np.asarray(steps, dtype=np.float64)
    if table.ndim != 3 or not table.size:
        raise ValueError(f"support: wanted (K, R, N) steps, got shape {table.shape}")
    means, rotations = table.mean(axis=2), table.shape[1]
    moved = [group_influence(step, classes, groups) for step in table]
    strata = moved[0][1]
    tie = 1e-12 * rotations * float(np.abs(table).max())
    still = all(float(np.abs(influence).max()) <= tie for influence, _ in moved)
    if rotations < MIN_SEEDS or len(strata) < 2 or (still and float(np.ptp(means, 1).max()) <= tie):
        return float("nan")
    generator = rng or np.random.default_rng(0)
    held = 0.0
    for start in range(0, draws, GROUP_BLOCK):
        size = min(GROUP_BLOCK, draws - start)
        more = np.empty((size, len(strata)))
        for stratum in np.unique(strata):
            inside = strata == stratum
            count = int(inside.sum())
            more[:, inside] = generator.multinomial(count, np.full(count, 1 / count), size) - 1
        drawn = generator.multinomial(rotations, np.full(rotations, 1 / rotations), size)
        sums = [
            (drawn * (mean + more @ influence.T)).sum(axis=1)
            for mean, (influence, _) in zip(means, moved, strict=True)
        ]
        held += float(_holds(np.stack(sums, axis=1), tie).sum())
    return held / draws


def _table(drops: ArrayLike) -> Float[np.ndarray, "s v"]:
    table = np.asarray(drops, dtype=np.float64)
    if table.ndim != 2 or not table.size:
        raise ValueError(f"support: wanted (S, V) drops with S, V >= 1, got shape {table.shape}")
    return table


def _support(
    steps: Float[np.ndarray, "s k"], scale: float, rng: np.random.Generator | None
) -> float:
    """Share of resamples in which the mean of every column of `steps` is above 0, ties one half."""
    seeds = len(steps)
    # counts times steps: seeds drawn in another order give the same bits, and ties stay ties
    tie = 1e-12 * seeds * scale
    if seeds < MIN_SEEDS or float(np.ptp(steps, axis=0).max()) <= tie:
        return float("nan")
    if math.comb(2 * seeds - 1, seeds) > ENUMERATED:
        generator = rng or np.random.default_rng(0)
        counts = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=DRAWN)
        return float(_holds(counts @ steps, tie).mean())
    share = 0.0
    every = _resamples(seeds)
    for start in range(0, len(every), BLOCK):
        counts = every[start : start + BLOCK]
        share += float(_probabilities(counts) @ _holds(counts @ steps, tie))
    # the probabilities sum to 1 but for rounding
    return min(share, 1.0)


def _holds(sums: Float[np.ndarray, "r k"], tie: float) -> Float[np.ndarray, "r"]:
    """1 where all sums are above 0, 1/2 where the smallest is 0, else 0."""
    smallest = sums.min(axis=1)
    return np.where(smallest > tie, 1.0, np.where(smallest >= -tie, 0.5, 0.0))


@lru_cache(maxsize=2)
def _resamples(seeds: int) -> Int[np.ndarray, "r s"]:
    """How often each seed is drawn, for all resamples: the stars between `seeds - 1` bars."""
    bars = chain.from_iterable(combinations(range(2 * seeds - 1), seeds - 1))
    places = np.fromiter(bars, dtype=np.int8).reshape(-1, seeds - 1)
    before = np.pad(places, ((0, 0), (1, 0)), constant_values=-1)
    after = np.pad(places, ((0, 0), (0, 1)), constant_values=2 * seeds - 1)
    return after - before - 1


def _probabilities(counts: Int[np.ndarray, "r s"]) -> Float[np.ndarray, "r"]:
    """Multinomial probability of each row of counts."""
    seeds = counts.shape[1]
    factorials = np.array([math.factorial(n) for n in range(seeds + 1)], dtype=np.float64)
    return factorials[seeds] / factorials[counts].prod(axis=1) / float(seeds) ** seeds
