"""K-means with restarts through faiss (Sec. 2.3), and how well clusters agree with known classes."""

from __future__ import annotations

from dataclasses import dataclass

import faiss
import numpy as np

from diccae.structures import UserError


@dataclass(frozen=True)
class Clustering:
    """assignments (N,) int32 in [0, k), centroids (k, D) float32, inertia: sum of squared distances to the assigned centroid."""

    assignments: np.ndarray
    centroids: np.ndarray
    inertia: float


def kmeans(features: np.ndarray, k: int, *, restarts: int = 20, iterations: int = 20, seed: int = 0, spherical: bool = False) -> Clustering:
    """The best of `restarts` K-means runs on (N, D) features; on GPUs where faiss sees any.

    The same seed gives the same bits on a CPU; on a GPU it need not, which is why assignments are stored.

    Raises:
        UserError: fewer clips than clusters, or features that are not finite.
    """
    features = np.ascontiguousarray(features, dtype=np.float32)
    bad = int((~np.isfinite(features).all(axis=1)).sum())
    if bad:
        raise UserError(f"kmeans: {bad} of {len(features)} feature rows are NaN or infinite; training diverged: lower the learning rate in the plan")
    if len(features) < k:
        raise UserError(f"kmeans: {len(features)} clips for {k} clusters; lower method.kmeans_k in the plan")
    if spherical:
        features = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    # faiss trains on 256 points a centroid unless told otherwise
    trainer = faiss.Kmeans(features.shape[1], k, niter=iterations, nredo=restarts, seed=seed, spherical=spherical, min_points_per_centroid=1,
                           max_points_per_centroid=len(features), gpu=faiss.get_num_gpus() > 0)
    trainer.train(features)
    assignments, distances = _assign(features, trainer.centroids)
    return Clustering(assignments, trainer.centroids, float(distances.sum()))


def nearest_centroid(features: np.ndarray, centroids: np.ndarray, *, spherical: bool = False) -> np.ndarray:
    """(N,) int32: the nearest of the (k, D) centroids for each of the (N, D) features."""
    features = np.ascontiguousarray(features, dtype=np.float32)
    if spherical:
        features = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return _assign(features, centroids)[0]


def _assign(features: np.ndarray, centroids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    index = faiss.IndexFlatL2(centroids.shape[1])
    index.add(centroids)
    distances, nearest = index.search(features, 1)
    return nearest[:, 0].astype(np.int32), distances[:, 0].astype(np.float64)


def _contingency(assignments: np.ndarray, truth: np.ndarray) -> np.ndarray:
    _, rows = np.unique(assignments, return_inverse=True)
    _, columns = np.unique(truth, return_inverse=True)
    table = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(table, (rows, columns), 1)
    return table


def cluster_purity(assignments: np.ndarray, truth: np.ndarray) -> float:
    """Share of clips that belong to the commonest class of their cluster, in [0, 1]."""
    return float(_contingency(assignments, truth).max(axis=1).sum() / len(truth))


def nmi(assignments: np.ndarray, truth: np.ndarray) -> float:
    """Mutual information over the mean of the two entropies, in [0, 1]; 1.0 when both are a single group."""
    joint = _contingency(assignments, truth) / len(truth)
    rows, columns = joint.sum(1), joint.sum(0)
    entropies = [-(p[p > 0] * np.log(p[p > 0])).sum() for p in (rows, columns)]
    if sum(entropies) == 0:
        return 1.0
    outer = rows[:, None] * columns
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / outer[seen])).sum() / (sum(entropies) / 2))
