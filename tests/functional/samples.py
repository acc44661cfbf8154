"""Features of a few overlapping classes, and Eq. 2 in plain loops."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor


def blobs(
    classes: int = 5, per_class: int = 30, width: int = 8, seed: int = 0
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(classes).repeat_interleave(per_class)
    centers = 1.5 * torch.randn(classes, width, generator=generator, dtype=torch.float64)
    features = centers[labels] + torch.randn(
        len(labels), width, generator=generator, dtype=torch.float64
    )
    order = torch.randperm(len(labels), generator=generator)
    return features[order], labels[order]


def slow_degree(
    features: np.ndarray, labels: np.ndarray, num_classes: int, coverage: float
) -> np.ndarray:
    """Sec. 2.1.2 in plain loops: mean, distances, their quantile, then r_i + r_j - d_ij over
    d_ij."""
    centers, radii = [], []
    for c in range(num_classes):
        members = [features[i] for i in range(len(labels)) if labels[i] == c]
        center = sum(members) / len(members)
        distances = sorted(math.dist(member, center) for member in members)
        place = coverage * (len(distances) - 1)
        below = math.floor(place)
        above = min(below + 1, len(distances) - 1)
        centers.append(center)
        radii.append(distances[below] + (place - below) * (distances[above] - distances[below]))
    degree = np.zeros((num_classes, num_classes))
    for i in range(num_classes):
        for j in range(num_classes):
            if i != j:
                d = math.dist(centers[i], centers[j])
                degree[i, j] = max(0.0, radii[i] + radii[j] - d) / d
    return degree
