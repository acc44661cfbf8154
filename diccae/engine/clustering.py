"""K-means of the training clips; update clips are assigned to the nearest centroid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from diccae.engine.explain import explained
from diccae.functional.kmeans import kmeans, nearest_centroid


@dataclass(frozen=True)
class ClusterOptions:
    """Options of `kmeans`.

    Attributes:
        k: number of clusters.
        restarts: number of restarts, of which the best is kept.
        spherical: whether features and centroids are scaled to unit length.
        init: how centroids are initialised.
    """

    k: int
    restarts: int
    spherical: bool = False
    init: str = "random"


def cluster(
    clips: np.ndarray, update: np.ndarray, options: ClusterOptions, seed: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Cluster the training clips and assign the update clips to the nearest centroid.

    Args:
        clips: (N, D) features of the training clips.
        update: (U, D) features of the update clips.
        options: options of `kmeans`.
        seed: of the initial centroids.

    Returns:
        Cluster ids of the training clips (N,) int32, those of the update clips (U,) int32, and the
        inertia.

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
            # on a GPU, faiss adds up in any order
            use_gpu="never" if torch.are_deterministic_algorithms_enabled() else "auto",
        )
    with explained("clusters of the update clips"):
        nearest = nearest_centroid(update, clustering.centroids, spherical=options.spherical)
    inertia = float(clustering.inertia)
    return clustering.assignments.astype(np.int32), nearest.astype(np.int32), inertia
