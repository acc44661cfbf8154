"""Starts of K-means by greedy k-means++ (Arthur and Vassilvitskii, 2007): the best of several
candidates becomes the next centroid."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from diccae.functional.pca import principal_axes

# samples that stand for a larger set, and those of them that give the principal components
SAMPLES, AXES_SAMPLES = 65536, 8192
# Distances in all of 768 dimensions take six times as long, and find no better clusters: noise
# in the others hides which samples are far from all centroids.
COMPONENTS = 128


class Reduced(NamedTuple):
    """Samples of the features, in random order, on their leading principal components."""

    points: Float[np.ndarray, "m p"]
    mean: Float[np.ndarray, "d"]
    axes: Float[np.ndarray, "d p"]

    def in_full(self, points: Float[np.ndarray, "k p"]) -> Float[np.ndarray, "k d"]:
        """Points in the space of the features, where they have the same nearest samples."""
        return points @ self.axes.T + self.mean


def reduced(features: Float[np.ndarray, "n d"], k: int, generator: np.random.Generator) -> Reduced:
    """At least k samples of float32 features that were checked by the caller."""
    samples = features[generator.permutation(len(features))[: max(SAMPLES, k)]]
    mean = samples.mean(0)
    samples -= mean
    if samples.shape[1] <= COMPONENTS:
        return Reduced(samples, mean, np.eye(samples.shape[1], dtype=np.float32))
    first = torch.from_numpy(samples[:AXES_SAMPLES].astype(np.float64))
    axes = principal_axes(first, COMPONENTS).numpy().astype(np.float32)
    return Reduced(samples @ axes, mean, axes)


def greedy_starts(
    points: Float[np.ndarray, "m p"], k: int, starts: int, generator: np.random.Generator
) -> Iterator[Float[np.ndarray, "k p"]]:
    """The centroids of several starts, k of the points each."""
    # two matrices whose product is the squared distances |a|^2 - 2 a b + |b|^2, to rounding
    squares = np.einsum("mp,mp->m", points, points)
    ones = np.ones_like(squares)
    left = np.column_stack([-2 * points, squares, ones])
    right = np.ascontiguousarray(np.column_stack([points, ones, squares]).T)
    for _ in range(starts):
        yield points[_greedy(left, right, k, generator)]


def _greedy(
    left: Float[np.ndarray, "m q"],
    right: Float[np.ndarray, "q m"],
    k: int,
    generator: np.random.Generator,
) -> Int[np.ndarray, "k"]:
    """Rows of k centroids.

    Candidates are drawn with probabilities proportional to their squared distance to the nearest
    centroid so far; the best is that with which the sum of these is least.
    """
    # twice as many as in scikit-learn, for a fifth more time
    candidates = 2 * (2 + int(math.log(k)))
    last = len(left) - 1
    chosen = np.empty(k, np.int64)
    nearest = np.full(len(left), np.inf, np.float32)
    drawn = generator.integers(len(left), size=1)
    for index in range(k):
        distances = left[drawn] @ right
        np.minimum(distances, nearest, out=distances)
        best = int(distances.sum(1).argmin())
        chosen[index] = drawn[best]
        np.maximum(distances[best], 0, out=nearest)
        # rounding must not leave a centroid a chance to be drawn again
        nearest[chosen[index]] = 0
        sums = np.cumsum(nearest, dtype=np.float64)
        shares = generator.random(candidates) * sums[-1]
        # where all distances are zero, the last sample is drawn
        drawn = np.minimum(np.searchsorted(sums, shares, side="right"), last)
    return chosen
