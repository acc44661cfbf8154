"""Chance that a draw without replacement meets an item of a kind, by the hypergeometric
distribution."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb


def chance_to_meet(size: int, marked: int, drawn: int) -> float:
    """Chance that a draw without replacement has a marked item or more: 1 - C(N - K, n) / C(N, n).

    Args:
        size: N, number of items.
        marked: K of them that are marked.
        drawn: n of them that are drawn.

    Returns:
        A chance in [0, 1]: 0 if no item is marked or drawn, 1 if fewer than n are not marked.

    Raises:
        ValueError: there are not that many items.
    """
    return 1 - _missed(size, marked, drawn)


def least_chance_to_meet(sizes: Sequence[int], marked: int, drawn: Sequence[int]) -> float:
    """Chance to meet a marked item by a draw from several groups, wherever the marked ones are.

    Args:
        sizes: number of items of each group.
        marked: number of marked items in all groups together.
        drawn: number of items that are drawn from each group, without replacement.

    Returns:
        The smallest chance of all divisions of the marked items among the groups, in [0, 1].

    Raises:
        ValueError: there are not that many items.
    """
    if not 0 <= marked <= sum(sizes):
        raise ValueError(f"marked: wanted 0 to {sum(sizes)} items, got {marked}")
    # number of marked items in the groups so far -> the largest chance to miss them
    missed = {0: 1.0}
    for size, count in zip(sizes, drawn, strict=True):
        further: dict[int, float] = {}
        for before, chance in missed.items():
            for own in range(min(size, marked - before) + 1):
                both = chance * _missed(size, own, count)
                further[before + own] = max(further.get(before + own, 0.0), both)
        missed = further
    return 1 - missed[marked]


def _missed(size: int, marked: int, drawn: int) -> float:
    """Chance that no marked item is drawn."""
    for name, count in (("marked", marked), ("drawn", drawn)):
        if not 0 <= count <= size:
            raise ValueError(f"{name}: wanted 0 to {size} items, got {count}")
    return comb(size - marked, drawn) / comb(size, drawn)
