"""Stable cluster ids over refinements."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from diccae.functional.arguments import ArgumentError, check_labels


def match_clusters(
    old: Int[np.ndarray, "n"], new: Int[np.ndarray, "n"], k: int
) -> tuple[Int[np.ndarray, "k"], Int[np.ndarray, "u"]]:
    """Hungarian matching of new cluster ids to old ones.

    Deviation: the paper re-clusters (Sec. 2.3, step 3) and does not say that the ids of two
    clusterings have nothing to do with each other.

    Args:
        old, new: (N,) ids in [0, k) of the same samples.
        k: number of clusters.

    Returns:
        mapping: (k,) the old id that each new id takes, a permutation that maximises the number of
            samples which keep their id.
        unmatched: the new ids that share no sample with the id they take.

    Raises:
        ArgumentError: ids outside of [0, k), or different numbers of samples.
    """
    check_labels("old", old, k)
    check_labels("new", new, k)
    if len(old) != len(new):
        raise ArgumentError("new", f"wanted the {len(old)} samples of `old`, got {len(new)}")
    # half a second of import, for the stages alone that cluster again
    from scipy.optimize import linear_sum_assignment

    overlap = np.zeros((k, k), dtype=np.int64)
    np.add.at(overlap, (new, old), 1)
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    mapping = np.empty(k, dtype=np.int64)
    mapping[rows] = columns
    return mapping, rows[overlap[rows, columns] == 0]
