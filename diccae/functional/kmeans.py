"""K-means with restarts through faiss (Sec. 2.3), and how well clusters agree with known classes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import faiss
import numpy as np

from diccae.errors import UserError

STARTS = {
    "k-means++": faiss.ClusteringInitMethod_KMEANS_PLUS_PLUS,
    "afk_mc2": faiss.ClusteringInitMethod_AFK_MC2,
    "random": faiss.ClusteringInitMethod_RANDOM,
}
# larger arrays of features live in a file, whose pages the kernel may take back
IN_MEMORY = 2**30
BLOCK = 65536


@dataclass(frozen=True)
class Clustering:
    """assignments (N,) int32 in [0, k), centroids (k, D) float32, inertia: sum of squared distances to the assigned centroid."""

    assignments: np.ndarray
    centroids: np.ndarray
    inertia: float


def kmeans(
    features: np.ndarray,
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
    """The best of `restarts` K-means runs.

    The same seed gives the same bits on a CPU; on a GPU it need not, which is why assignments are stored.

    Args:
        features: (N, D), finite.
        k: number of clusters; a cluster that runs empty takes over a part of a large one.
        restarts: runs from different starts; the one with the least inertia is kept.
        iterations: of each run.
        seed: of the random starts.
        spherical: features and centroids are scaled to length 1; inertia is then that of the scaled features.
        init: the starts: `random` clips (Sec. 2.3-1), `k-means++`, or `afk_mc2`, which approximates it by Markov chains. Random starts on
            well separated groups can stay in poor minima even after 20 restarts.
        use_gpu: `auto` (every GPU that faiss sees), `always` or `never`.
        threads: of faiss, for the length of this call; None leaves them as they are.

    Raises:
        UserError: fewer clips than clusters, features that are not finite, or `always` without a GPU.
    """
    if k < 1:
        raise UserError(
            f"kmeans: wanted at least 1 cluster, got {k}; raise method.kmeans_k in the plan"
        )
    if init not in STARTS:
        raise ValueError(f"init: wanted one of {', '.join(STARTS)}, got {init!r}")
    gpu = _wants_gpu(use_gpu)
    features = np.ascontiguousarray(features, dtype=np.float32)
    bad = sum(
        int((~np.isfinite(features[rows]).all(axis=1)).sum()) for rows in _blocks(len(features))
    )
    if bad:
        raise UserError(
            f"kmeans: {bad} of {len(features)} feature rows are NaN or infinite; training diverged: lower the learning rate in the plan"
        )
    if len(features) < k:
        raise UserError(
            f"kmeans: {len(features)} clips for {k} clusters; lower method.kmeans_k in the plan"
        )
    if spherical:
        features = _scaled(features)
    # faiss trains on 256 points a centroid unless told otherwise
    trainer = faiss.Kmeans(
        features.shape[1],
        k,
        niter=iterations,
        nredo=restarts,
        seed=seed,
        spherical=spherical,
        min_points_per_centroid=1,
        max_points_per_centroid=len(features),
        init_method=STARTS[init],
        gpu=gpu,
    )
    with _faiss_threads(threads):
        trainer.train(features)
        centroids = np.asarray(trainer.centroids)
        assignments = _assign(features, centroids)
    return Clustering(assignments, centroids, _inertia(features, centroids, assignments))


def nearest_centroid(
    features: np.ndarray, centroids: np.ndarray, *, spherical: bool = False
) -> np.ndarray:
    """(N,) int32: the nearest of the (k, D) centroids for each of the (N, D) features."""
    features = np.ascontiguousarray(features, dtype=np.float32)
    return _assign(_scaled(features) if spherical else features, centroids)


def empty_rows(rows: int, width: int) -> np.ndarray:
    """(rows, width) float32; above 1 GB in a file without a name, in the folder for temporary files (TMPDIR).

    Raises:
        UserError: that folder has no room for it.
    """
    size = 4 * rows * width
    if size <= IN_MEMORY:
        return np.empty((rows, width), np.float32)
    with tempfile.TemporaryFile() as file:
        try:
            # a map of a file that has no place on the disk kills the process when the disk fills up
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            raise UserError(
                f"{tempfile.gettempdir()}: the features of {rows} clips need {size / 1e9:.1f} GB there ({error.strerror}); "
                "free some space, or set TMPDIR to a folder that has it"
            ) from None
        return np.memmap(file, np.float32, "r+", shape=(rows, width))


def _scaled(features: np.ndarray) -> np.ndarray:
    """Rows at length 1."""
    scaled = empty_rows(*features.shape)
    for rows in _blocks(len(features)):
        block = features[rows]
        scaled[rows] = block / np.maximum(np.linalg.norm(block, axis=1, keepdims=True), 1e-12)
    return scaled


def _blocks(rows: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK) for start in range(0, rows, BLOCK))


def _wants_gpu(use_gpu: str) -> bool:
    if use_gpu not in ("auto", "always", "never"):
        raise ValueError(f"use_gpu: wanted auto, always or never, got {use_gpu!r}")
    found = faiss.get_num_gpus() if use_gpu != "never" else 0
    if use_gpu == "always" and not found:
        raise UserError(
            "kmeans: use_gpu is `always`, but faiss sees no GPU; set it to `auto`, or check the driver with nvidia-smi"
        )
    return found > 0


@contextmanager
def _faiss_threads(threads: int | None) -> Iterator[None]:
    if threads is None:
        yield
        return
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _assign(features: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    index = faiss.IndexFlatL2(centroids.shape[1])
    index.add(centroids)
    return index.search(features, 1)[1][:, 0].astype(np.int32)


def _inertia(
    features: np.ndarray, centroids: np.ndarray, assignments: np.ndarray, block: int = 8192
) -> float:
    """Sum of squared distances, by differences and in float64: the search expands the square and loses small distances to rounding."""
    total = 0.0
    for start in range(0, len(features), block):
        difference = features[start : start + block] - centroids[assignments[start : start + block]]
        total += float(np.einsum("nd,nd->n", difference, difference).sum(dtype=np.float64))
    return total


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
