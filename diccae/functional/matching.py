"""Stable cluster ids over refinements."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment


def match_clusters(old: np.ndarray, new: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Hungarian matching of new cluster ids to old ones on shared clips.

    Args:
        old, new: (N,) ids in [0, k) of the same clips.
        k: number of clusters.

    Returns:
        mapping (k,): the old id that each new id takes, a permutation that maximises the clips which keep their id;
        unmatched: the new ids that share no clip with the id they take.
    """
    overlap = np.zeros((k, k), dtype=np.int64)
    np.add.at(overlap, (new, old), 1)
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    mapping = np.empty(k, dtype=np.int64)
    mapping[rows] = columns
    return mapping, rows[overlap[rows, columns] == 0]
