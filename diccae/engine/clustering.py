"""K-means of the training clips, and the update clips by the nearest centroid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diccae.engine.explain import explained
from diccae.functional.kmeans import kmeans, nearest_centroid


@dataclass(frozen=True)
class ClusterOptions:
    """Options of `kmeans`: number of clusters, restarts, whether on the sphere, how centroids
    start."""

    k: int
    restarts: int
    spherical: bool = False
    init: str = "random"


def cluster(
    clips: np.ndarray, update: np.ndarray, options: ClusterOptions, seed: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Cluster ids (N,) int32 of (N, D) training features and (U,) int32 of (U, D) update features,
    and the inertia.

    Raises:
        UserError: there are fewer clips than clusters, or features are not finite.
    """
    with explained("clusters of the training clips"):
        clustering = kmeans(
            clips,
            options.k,
            restarts=options.restarts,
            seed=seed,
            spherical=options.spherical,
            init=options.init,
        )
    nearest = nearest_centroid(update, clustering.centroids, spherical=options.spherical)
    inertia = float(clustering.inertia)
    return clustering.assignments.astype(np.int32), nearest.astype(np.int32), inertia
