"""Time and inertia of this package's K-means, compared with scikit-learn and with faiss alone.

Target: at most 1.25 times the time of the faster of the two; from greedy starts, at most the time
of faiss, and at most 1.001 times the inertia of scikit-learn. Times are CPU seconds.
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


def groups(points: int, width: int, count: int, spread: float) -> np.ndarray:
    """Features (points, width) of groups of about equal size, with random centres."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, count, points)
    centers = rng.normal(size=(count, width)).astype(np.float32)
    noise = rng.normal(size=(points, width)).astype(np.float32)
    return centers[truth] + np.float32(spread) * noise


def uneven_groups(points: int, width: int, count: int) -> np.ndarray:
    """Features (points, width) of groups of uneven size and spread in 30 families, a tenth of them
    far away, with noise whose variance falls with the inverse of the dimension."""
    rng = np.random.default_rng(0)
    families = rng.normal(size=(30, width))
    centers = families[rng.integers(0, 30, count)] + 0.7 * rng.normal(size=(count, width))
    centers[rng.random(count) < 0.1] *= 4
    truth = rng.choice(count, points, p=rng.dirichlet(np.full(count, 0.7)))
    scales = np.arange(1, width + 1) ** -0.5
    scales = (scales / np.sqrt((scales**2).mean())).astype(np.float32)
    spreads = rng.uniform(0.3, 2.0, count).astype(np.float32)[truth]
    noise = rng.standard_normal((points, width), dtype=np.float32)
    return centers.astype(np.float32)[truth] + spreads[:, None] * scales * noise


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
    parser.add_argument(
        "--uneven", action="store_true", help="groups of uneven size and spread, a third more"
    )
    parser.add_argument("--starts", nargs="*", default=STARTS)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    size = options.points, options.width
    features = (
        uneven_groups(*size, options.clusters * 4 // 3)
        if options.uneven
        else groups(*size, options.clusters, options.spread)
    )
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
        **{f"diccae, {s}": ours(s) for s in options.starts},
    }
    print(
        f"{options.points} x {options.width}, K = {options.clusters}, "
        f"{options.restarts} restart(s) of 20 iterations, "
        f"{'uneven groups' if options.uneven else f'spread {options.spread}'}, "
        f"{options.threads} thread(s)"
    )
    others = []
    for name, run in implementations.items():
        start = time.process_time()
        centroids = run()
        seconds, inertia = time.process_time() - start, exact_inertia(features, centroids)
        if not name.startswith("diccae"):
            others.append((seconds, inertia))
        fastest, lowest = (min(values) for values in zip(*others, strict=True))
        print(
            f"{name:24s} {seconds:7.2f} s, {seconds / fastest:5.2f}x the fastest other; "
            f"inertia {inertia:.5e}, {inertia / lowest:.4f}x the lowest other",
            flush=True,
        )


if __name__ == "__main__":
    main()
