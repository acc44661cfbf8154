"""K-means with restarts (Sec. 2.3).

Needs faiss (`faiss-cpu` or `faiss-gpu`), which is imported when it is used: the base installation
leaves it out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from diccae.functional.arguments import (
    FLOAT32,
    ArgumentError,
    check_choice,
    check_count,
    check_features,
)
from diccae.functional.greedy_starts import greedy_starts, reduced
from diccae.functional.scratch import BLOCK, empty_rows

# names of the constants of faiss
FAISS_STARTS = {
    "k-means++": "ClusteringInitMethod_KMEANS_PLUS_PLUS",
    "afk_mc2": "ClusteringInitMethod_AFK_MC2",
    "random": "ClusteringInitMethod_RANDOM",
}
GREEDY = "greedy-k-means++"
STARTS = (*FAISS_STARTS, GREEDY)
# Runs from greedy starts, see `_from_greedy_starts`: those on principal components end when an
# iteration changes the inertia by a smaller share than STOP, and the best is chosen after TRIAL
# iterations in all dimensions.
STOP, TRIAL = 5e-4, 3


@dataclass(frozen=True)
class Clustering:
    """Clusters and their quality.

    Args:
        assignments: (N,) int32 in [0, k).
        centroids: (k, D) float32.
        inertia: sum of squared distances to the assigned centroids.
    """

    assignments: Int[np.ndarray, "n"]
    centroids: Float[np.ndarray, "k d"]
    inertia: float


def kmeans(
    features: Float[np.ndarray, "n d"],
    k: int,
    *,
    restarts: int = 20,
    iterations: int = 20,
    seed: int = 0,
    spherical: bool = False,
    init: str = "random",
    use_gpu: str = "auto",
    threads: int | None = None,
) -> Clustering:
    """The best of `restarts` K-means runs (Sec. 2.3, step 1).

    The same seed gives the same bits on a CPU; on a GPU it need not, which is why assignments are
    stored.

    Args:
        features: (N, D), finite, and so small that 4 N D times the largest squared value is a
            float32: beyond that, distances overflow and faiss ends the process.
        k: number of clusters; a cluster that runs empty takes over a part of a large one.
        restarts: runs from different starts; the one with the least inertia is kept.
        iterations: of each run.
        seed: of the random starts, a signed integer of 32 bits.
        spherical: scale features and centroids to length 1; inertia is then that of the scaled
            features.
        init: the starts: `random` samples (Sec. 2.3, step 1), `k-means++`, or `afk_mc2`, which
            approximates it by Markov chains. Random starts on well separated groups can stay in
            poor minima even after 20 restarts. `greedy-k-means++` reaches the least inertia, in no
            more time than random starts where there are several (`benchmarks/RESULTS.md`). Its runs
            are on 128 principal components, and the best goes on in all dimensions.
        use_gpu: `auto` (every GPU that faiss sees), `always` or `never`.
        threads: of faiss, for the length of this call; None leaves them as they are.

    Raises:
        ArgumentError: fewer samples than clusters, features of another shape, not finite or too
            large, no restart or iteration, a seed that faiss cannot take, an unknown option, or
            `always` without a GPU.
        OSError: no room for the scaled copy of large features, see `empty_rows`.
    """
    import faiss

    if k < 1:
        raise ArgumentError("k", f"wanted at least 1 cluster, got {k}")
    check_count("restarts", restarts)
    check_count("iterations", iterations)
    if not -(2**31) <= seed < 2**31:
        raise ArgumentError("seed", f"wanted -2147483648 to 2147483647, got {seed}")
    check_choice("init", init, STARTS)
    gpu = _wants_gpu(use_gpu)
    features = _float32(features)
    check_features("features", features, FLOAT32)
    if len(features) < k:
        raise ArgumentError("k", f"{len(features)} samples are too few for {k} clusters")
    if spherical:
        features = _scaled(features)
    options = {"seed": seed, "spherical": spherical, "gpu": gpu}
    with _faiss_threads(threads):
        if init == GREEDY:
            centroids = _from_greedy_starts(features, k, restarts, iterations, options)
        else:
            method = getattr(faiss, FAISS_STARTS[init])
            options |= {"niter": iterations, "nredo": restarts, "init_method": method}
            trainer = _trainer(features, k, **options)
            trainer.train(features)
            centroids = np.asarray(trainer.centroids)
        assignments = _assign(features, centroids)
    return Clustering(assignments, centroids, _inertia(features, centroids, assignments))


def _trainer(features: Float[np.ndarray, "n d"], k: int, **options: Any) -> Any:
    import faiss

    # faiss trains on 256 points a centroid unless its limit is raised
    return faiss.Kmeans(
        features.shape[1],
        k,
        min_points_per_centroid=1,
        max_points_per_centroid=len(features),
        **options,
    )


def _from_greedy_starts(
    features: Float[np.ndarray, "n d"],
    k: int,
    restarts: int,
    iterations: int,
    options: dict[str, Any],
) -> Float[np.ndarray, "k d"]:
    """The centroids of the run that is best after a few iterations in all dimensions.

    Args:
        features: (N, D), scaled where `options` has `spherical`.
        k: number of clusters.
        restarts: number of starts.
        iterations: of each run on the principal components, and twice those that the best goes on
            for in all dimensions.
        options: of faiss.
    """
    generator = np.random.default_rng(options["seed"] % 2**32)
    small = reduced(features, k, generator)
    unscaled = options | {"spherical": False, "niter": iterations, "early_stop_threshold": STOP}
    on_components = _trainer(small.points, k, **unscaled)
    trial = _trainer(features, k, niter=min(TRIAL, iterations), **options)
    best, centroids = -math.inf, np.empty((0, 0), np.float32)
    for start in greedy_starts(small.points, k, restarts, generator):
        on_components.train(small.points, init_centroids=start)
        objective = trial.train(features, init_centroids=small.in_full(on_components.centroids))
        # with `spherical` a sum of cosines, otherwise one of squared distances
        objective = objective if options["spherical"] else -objective
        if objective > best:
            best, centroids = objective, np.asarray(trial.centroids)
    last = _trainer(features, k, niter=iterations // 2, **options)
    last.train(features, init_centroids=centroids)
    return np.asarray(last.centroids)


def nearest_centroid(
    features: Float[np.ndarray, "n d"],
    centroids: Float[np.ndarray, "k d"],
    *,
    spherical: bool = False,
) -> Int[np.ndarray, "n"]:
    """The nearest centroid of each feature, as int32.

    Args:
        features: (N, D).
        centroids: (k, D), as `kmeans` returned them.
        spherical: scale the features to length 1 first.

    Raises:
        ArgumentError: features or centroids of another shape, not finite or too large, see
            `kmeans`; or no centroid.
    """
    features = _float32(features)
    centroids = np.ascontiguousarray(centroids, dtype=np.float32)
    check_features("features", features, FLOAT32)
    check_features("centroids", centroids, FLOAT32)
    if not len(centroids) or centroids.shape[1] != features.shape[1]:
        raise ArgumentError(
            "centroids",
            f"wanted shape (k, {features.shape[1]}) with k at least 1, got {centroids.shape}",
        )
    return _assign(_scaled(features) if spherical else features, centroids)


def _float32(features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    # values beyond float32 become infinite, which the check of the features names
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(features, dtype=np.float32)


def _scaled(features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Rows at length 1."""
    scaled = empty_rows(*features.shape)
    for rows in _blocks(len(features)):
        block = features[rows]
        scaled[rows] = block / np.maximum(np.linalg.norm(block, axis=1, keepdims=True), 1e-12)
    return scaled


def _blocks(rows: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK) for start in range(0, rows, BLOCK))


def _wants_gpu(use_gpu: str) -> bool:
    import faiss

    check_choice("use_gpu", use_gpu, ("auto", "always", "never"))
    found = faiss.get_num_gpus() if use_gpu != "never" else 0
    if use_gpu == "always" and not found:
        raise ArgumentError(
            "use_gpu",
            "faiss sees no GPU; choose `auto`, or check the driver with nvidia-smi",
        )
    return found > 0


@contextmanager
def _faiss_threads(threads: int | None) -> Iterator[None]:
    import faiss

    if threads is None:
        yield
        return
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _assign(
    features: Float[np.ndarray, "n d"], centroids: Float[np.ndarray, "k d"]
) -> Int[np.ndarray, "n"]:
    import faiss

    index = faiss.IndexFlatL2(centroids.shape[1])
    index.add(centroids)
    return index.search(features, 1)[1][:, 0].astype(np.int32)


def _inertia(
    features: Float[np.ndarray, "n d"],
    centroids: Float[np.ndarray, "k d"],
    assignments: Int[np.ndarray, "n"],
    block: int = 8192,
) -> float:
    """Sum of squared distances, by differences and in float64.

    The search expands the square and loses small distances to rounding.
    """
    total = 0.0
    for start in range(0, len(features), block):
        difference = features[start : start + block] - centroids[assignments[start : start + block]]
        total += float(np.einsum("nd,nd->n", difference, difference).sum(dtype=np.float64))
    return total
