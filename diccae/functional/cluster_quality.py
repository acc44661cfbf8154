"""How well clusters agree with known classes. Needs scikit-learn."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int
from sklearn.metrics import normalized_mutual_info_score


def cluster_purity(assignments: Int[np.ndarray, "n"], truth: Int[np.ndarray, "n"]) -> float:
    """Share of samples that belong to the commonest class of their cluster, in [0, 1].

    Args:
        assignments: (N,) cluster ids, any integers.
        truth: (N,) classes, any integers.
    """
    _, rows = np.unique(assignments, return_inverse=True)
    _, columns = np.unique(truth, return_inverse=True)
    table = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(table, (rows, columns), 1)
    return float(table.max(axis=1).sum() / len(truth))


def mutual_information(assignments: Int[np.ndarray, "n"], truth: Int[np.ndarray, "n"]) -> float:
    """Mutual information over the mean of the two entropies, in [0, 1].

    1.0 if both are a single group. Arguments as in `cluster_purity`.
    """
    return float(normalized_mutual_info_score(truth, assignments, average_method="arithmetic"))
