"""Time and inertia of this package's K-means, compared with scikit-learn and with faiss alone.

Target: at most 1.25 times the time of the faster of the two.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import faiss
import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from diccae.functional.kmeans import STARTS, kmeans


def exact_inertia(features: np.ndarray, centroids: np.ndarray) -> float:
    """Sum of squared distances of features (N, D) to the nearest of the centroids (K, D)."""
    index = faiss.IndexFlatL2(features.shape[1])
    index.add(centroids.astype(np.float32))
    nearest = index.search(features, 1)[1][:, 0]
    return float(((features - centroids[nearest]) ** 2).sum(dtype=np.float64))


def main() -> None:
    """Print time and inertia of each implementation on the same random groups."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=20000)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--clusters", type=int, default=300)
    parser.add_argument("--restarts", type=int, default=3)
    parser.add_argument(
        "--spread",
        type=float,
        default=3.0,
        help="standard deviation of the noise: groups are well separated with 1, overlap with 3",
    )
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    truth = rng.integers(0, options.clusters, options.points)
    centers = rng.normal(size=(options.clusters, options.width)).astype(np.float32)
    features = centers[truth] + np.float32(options.spread) * rng.normal(
        size=(options.points, options.width)
    ).astype(np.float32)
    faiss.omp_set_num_threads(options.threads)

    def faiss_alone() -> np.ndarray:
        """Centroids (K, D)."""
        trainer = faiss.Kmeans(
            options.width,
            options.clusters,
            niter=20,
            nredo=options.restarts,
            seed=0,
            min_points_per_centroid=1,
            max_points_per_centroid=options.points,
        )
        trainer.train(features)
        return np.asarray(trainer.centroids)

    def scikit_learn() -> np.ndarray:
        """Centroids (K, D)."""
        with threadpool_limits(options.threads):
            return (
                KMeans(options.clusters, n_init=options.restarts, max_iter=20, random_state=0)
                .fit(features)
                .cluster_centers_
            )

    def ours(start: str) -> Callable[[], np.ndarray]:
        """A function that returns the centroids (K, D) for one kind of initialisation."""
        return lambda: (
            kmeans(
                features,
                options.clusters,
                restarts=options.restarts,
                seed=0,
                init=start,
                use_gpu="never",
            ).centroids
        )

    implementations: dict[str, Callable[[], np.ndarray]] = {
        "faiss": faiss_alone,
        "scikit-learn": scikit_learn,
        **{f"diccae, {s}": ours(s) for s in STARTS},
    }
    print(
        f"{options.points} x {options.width}, K = {options.clusters}, "
        f"{options.restarts} restart(s) of 20 iterations, spread {options.spread}, "
        f"{options.threads} thread(s)"
    )
    others = []
    for name, run in implementations.items():
        start = time.perf_counter()
        centroids = run()
        seconds, inertia = time.perf_counter() - start, exact_inertia(features, centroids)
        if not name.startswith("diccae"):
            others.append((seconds, inertia))
        fastest, lowest = (min(values) for values in zip(*others, strict=True))
        print(
            f"{name:20s} {seconds:7.2f} s, {seconds / fastest:5.2f}x the fastest other; "
            f"inertia {inertia:.5e}, {inertia / lowest:.4f}x the lowest other",
            flush=True,
        )


if __name__ == "__main__":
    main()
