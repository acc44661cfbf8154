"""The best correlation of two clips, where one of them may be a shifted copy of the other."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

# Half a second of the two seconds of a rendered clip. Copies that are shifted further have less
# than three quarters in common, and are not searched for.
QUARTER = 0.25
# A copy that lost its beginning or end has as many steps as the whole clip, each of them shorter.
LENGTHS = (1.0, 0.875, 0.75)
# An alignment says nothing if it leaves less than this share of the variance of a clip, as where
# everything that is heard falls outside of what both have in common.
LEAST_POWER = 0.05
BLOCK = 256


@lru_cache
def alignments(count: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs of equally long arrays: steps of one clip, and those of another that may be the same.

    The other clip begins up to a quarter of the clip earlier or later; or one of them is a part of
    the other, three quarters of it or more.

    Args:
        count: number of steps of each clip.
    """
    found = []
    for length in LENGTHS:
        most = round((QUARTER if length == 1 else 1 - length) * count)
        for offset in range(-most if length == 1 else 0, most + 1):
            steps = np.arange(count)
            same = np.floor((steps + 0.5 - offset) / length).astype(np.int64)
            inside = (same >= 0) & (same < count)
            found.append((steps[inside], same[inside]))
            if length < 1:
                found.append((same[inside], steps[inside]))
    return found


def best_correlation(one: Array, other: Array, by_column: bool) -> NDArray[np.float64]:
    """Largest correlation over all `alignments`, (P,) in [-1, 1], of pairs of clips.

    Args:
        one, other: values (P, T, D) of T steps.
        by_column: whether the mean of each of the D values is removed, or that of all.
    """
    result = np.full(len(one), -1.0)
    for start in range(0, len(one), BLOCK):
        part = slice(start, start + BLOCK)
        result[part] = _best(one[part], other[part], by_column)
    return result


def _best(one: Array, other: Array, by_column: bool) -> NDArray[np.float64]:
    mine, yours, places, starts = _selections(one.shape[1])
    products = one @ other.transpose(0, 2, 1)
    # of each alignment, the products of the steps that it pairs
    flat = products.reshape(len(one), -1)[:, places]
    cross = np.add.reduceat(flat, starts, axis=1, dtype=np.float64)
    sums, others = mine @ one, yours @ other
    count = mine.sum(axis=1)
    if not by_column:
        sums, others = sums.sum(axis=2, keepdims=True), others.sum(axis=2, keepdims=True)
        count = count * one.shape[2]
    cross -= (sums * others).sum(axis=2) / count
    powers, enough = [], np.ones(cross.shape, bool)
    for values, taken, total in ((one, mine, sums), (other, yours, others)):
        squares = (values**2).sum(axis=2, dtype=np.float64)
        power = squares @ taken.T - (total.astype(np.float64) ** 2).sum(axis=2) / count
        enough &= power > LEAST_POWER * squares.sum(axis=1, keepdims=True)
        powers.append(power)
    root = np.sqrt(np.where(enough, powers[0] * powers[1], 1.0))
    return np.where(enough, cross / root, -1.0).max(axis=1)


@lru_cache
def _selections(count: int) -> tuple[Array, Array, NDArray[np.int64], NDArray[np.int64]]:
    """How often each alignment (L, T) takes each step of both clips; and where the products of the
    steps that it pairs stand in a matrix (T, T): their places, and where those of each begin."""
    known = alignments(count)
    mine, yours = np.zeros((2, len(known), count), np.float32)
    for row, (steps, same) in enumerate(known):
        np.add.at(mine[row], steps, 1)
        np.add.at(yours[row], same, 1)
    places = np.concatenate([steps * count + same for steps, same in known])
    starts = np.cumsum([0, *(len(steps) for steps, _ in known[:-1])])
    return mine, yours, places, starts
