"""Lloyd's iterations with all features in the memory of the GPU: what K-means could take if it did
not copy them in every iteration. For `gpu_kmeans.py` alone; training uses faiss."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

BLOCK = 65536


class Resident(NamedTuple):
    """Seconds of the copy and of the iterations, inertia, and peak GB of GPU memory (None without a
    GPU)."""

    copy: float
    seconds: float
    inertia: float
    memory: float | None


def resident_kmeans(
    features: np.ndarray, k: int, iterations: int, device: torch.device
) -> Resident:
    """One restart from random rows, in float32; an empty cluster keeps its centroid.

    Args:
        features: (N, D).
        k: number of clusters.
        iterations: of the restart.
        device: where the features go.
    """
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    started = _now(cuda)
    data = torch.empty(features.shape, device=device)
    for start in range(0, len(features), BLOCK):
        # a copy, because PyTorch warns of maps that cannot be written
        block = np.array(features[start : start + BLOCK])
        data[start : start + BLOCK] = torch.from_numpy(block).to(device)
    copied = _now(cuda)
    draws = torch.Generator().manual_seed(0)
    centroids = data[torch.randperm(len(data), generator=draws)[:k].to(device)]
    for _ in range(iterations):
        centroids = _updated(data, centroids)
    done = _now(cuda)
    inertia = sum(float(_distances(block, centroids).amin(1).sum()) for block in data.split(BLOCK))
    inertia += _squares(data)
    memory = torch.cuda.max_memory_allocated() / 1e9 if cuda else None
    return Resident(copied - started, done - copied, inertia, memory)


def _updated(data: Tensor, centroids: Tensor) -> Tensor:
    """Centroids (K, D) after one iteration over data (N, D)."""
    k = len(centroids)
    sums, counts = torch.zeros_like(centroids), torch.zeros(k, device=data.device)
    for block in data.split(BLOCK):
        nearest = F.one_hot(_distances(block, centroids).argmin(1), k).to(block.dtype)
        sums += nearest.T @ block
        counts += nearest.sum(0)
    return torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], centroids)


def _distances(block: Tensor, centroids: Tensor) -> Tensor:
    """Squared distances (B, K) without the squares of the rows, which change no order."""
    return centroids.square().sum(1) - 2 * block @ centroids.T


def _squares(data: Tensor) -> float:
    return sum(float(block.double().square().sum()) for block in data.split(BLOCK))


def _now(cuda: bool) -> float:
    if cuda:
        torch.cuda.synchronize()
    return time.perf_counter()
