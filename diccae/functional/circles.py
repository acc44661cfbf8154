"""One circle per class that covers the central part of its features (Sec. 2.1.2, steps 1 and 2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from diccae.functional.arguments import (
    ArgumentError,
    check_choice,
    check_count,
    check_features,
    check_labels,
)
from diccae.functional.circle_fits import FITS, geometric_median
from diccae.functional.pca import principal_axes, project

CENTROIDS = ("mean", "geometric_median")
PCA_SCOPES = ("all", "class")
CIRCLES = ("quantile", *FITS)


@dataclass(frozen=True)
class CircleSpec:
    """How the circle of a class is computed.

    Deviation: the paper leaves open how PCA and circle fitting work together. By default the
    features of all classes are projected onto their two leading principal components, so that
    distances between centroids are taken in one plane, and the radius is a quantile of the
    distances to the centroid, interpolated between neighbours: of N samples the circle covers
    floor(coverage (N - 1)) + 1, which of a few is less than the stated share (9 of 10).

    Args:
        centroid: `mean`, or `geometric_median`, which minimises the sum of distances.
        pca_dim: number of principal components that are kept; None keeps all dimensions.
        pca_scope: PCA over the samples of `all` classes, or of each `class`.
        circle: `quantile`: radius = the coverage quantile of the distances to the centroid;
            `min_enclosing`, `least_squares`: fitted to the samples within that radius, which moves
            the centre too.
        coverage: the share of samples that a circle covers, in (0, 1].

    Raises:
        ArgumentError: a value that is not allowed.
    """

    centroid: str = "mean"
    pca_dim: int | None = 2
    pca_scope: str = "all"
    circle: str = "quantile"
    coverage: float = 0.95

    def __post_init__(self) -> None:
        check_choice("centroid", self.centroid, CENTROIDS)
        check_choice("pca_scope", self.pca_scope, PCA_SCOPES)
        check_choice("circle", self.circle, CIRCLES)
        if not 0 < self.coverage <= 1:
            raise ArgumentError("coverage", f"wanted a share in (0, 1], got {self.coverage}")
        if self.pca_dim is not None and self.pca_dim < 1:
            raise ArgumentError(
                "pca_dim",
                f"wanted at least 1 component, or None for all dimensions, got {self.pca_dim}",
            )

    def check_width(self, width: int) -> None:
        """Raise `ArgumentError` if circles of this kind do not exist for features of `width`."""
        kept = min(width, self.pca_dim or width)
        if self.circle == "min_enclosing" and kept != 2:
            raise ArgumentError("pca_dim", f"min_enclosing needs 2 dimensions, got {kept}")


class Circles(NamedTuple):
    """The circles of C classes, in float64.

    With `pca_scope='class'` radii are measured in the plane of each class and distances in the
    full space; otherwise both are measured in one space.
    """

    centers: Float[Tensor, "c d"]
    radii: Float[Tensor, "c"]
    # samples that made each circle
    counts: Int[Tensor, "c"]
    # between centres
    distances: Float[Tensor, "c c"]

    @property
    def valid(self) -> Bool[Tensor, "c"]:
        """(C,) the classes that have a circle: those with at least two samples."""
        return self.counts >= 2


def class_circles(
    features: Float[Tensor, "n d"],
    labels: Int[Tensor, "n"],
    num_classes: int,
    spec: CircleSpec = CircleSpec(),
) -> Circles:
    """The circle of each class (Sec. 2.1.2, steps 1 and 2).

    A class with fewer than two samples has radius 0; its centre is its sample, or the origin of
    the space if it has none.

    Args:
        features: (N, D) features of the update set, without gradients.
        labels: (N,) classes in [0, num_classes), -1 for none; samples without one are left out.
        num_classes: C.
        spec: how the circles are computed.

    Raises:
        ArgumentError: features of another shape, not finite, too large to be squared in float64,
            or too wide or narrow for the kind of circle; labels that are no integers, outside of
            the classes, or not one a sample; no class.
    """
    check_count("num_classes", num_classes)
    features = features.detach()
    check_features("features", features)
    spec.check_width(features.shape[1])
    check_labels("labels", labels, num_classes, lowest=-1)
    if len(labels) != len(features):
        raise ArgumentError("labels", f"wanted {len(features)}, one a sample, got {len(labels)}")
    labelled = labels >= 0
    if not bool(labelled.all()):
        features, labels = features[labelled], labels[labelled]
    labels = labels.long()
    counts = torch.bincount(labels, minlength=num_classes)
    if spec.pca_dim is not None and spec.pca_scope == "all" and spec.pca_dim < features.shape[1]:
        features = project(features.double(), spec.pca_dim)
    centers = _centroids(features, labels, counts, spec.centroid)
    if spec.pca_scope == "all" and spec.circle == "quantile":
        distances = _distances_to_centroids(features, labels, centers)
        radii = _class_quantiles(distances, labels, counts, spec.coverage)
    else:
        centers, radii = _fitted_circles(features, labels, counts, centers, spec)
    return Circles(centers, radii, counts, _pair_distances(centers))


def _centroids(
    features: Float[Tensor, "n d"],
    labels: Int[Tensor, "n"],
    counts: Int[Tensor, "c"],
    centroid: str,
) -> Float[Tensor, "c d"]:
    shape = len(counts), features.shape[1]
    sums = torch.zeros(*shape, dtype=torch.float64, device=features.device)
    for rows in _blocks(len(features)):
        sums.index_add_(0, labels[rows], features[rows].double())
    centers = sums / counts.clamp(min=1)[:, None]
    if centroid == "geometric_median":
        for index in torch.nonzero(counts >= 2)[:, 0].tolist():
            centers[index] = geometric_median(features[labels == index].double())
    return centers


def _blocks(rows: int, size: int = 1024) -> Iterator[slice]:
    """Slices that fit into a processor's cache once they are float64."""
    return (slice(start, start + size) for start in range(0, rows, size))


def _distances_to_centroids(
    features: Float[Tensor, "n d"], labels: Int[Tensor, "n"], centers: Float[Tensor, "c d"]
) -> Float[Tensor, "n"]:
    """Distance of each feature to the centre of its class, in float64."""
    distances = centers.new_empty(len(features))
    for rows in _blocks(len(features)):
        distances[rows] = torch.linalg.vector_norm(
            features[rows].double() - centers[labels[rows]], dim=1
        )
    return distances


def _class_quantiles(
    distances: Float[Tensor, "n"], labels: Int[Tensor, "n"], counts: Int[Tensor, "c"], q: float
) -> Float[Tensor, "c"]:
    """Linearly interpolated quantile of the distances within each class, by one sort.

    0 for classes with fewer than two samples.
    """
    order = torch.argsort(distances, stable=True)
    order = order[torch.argsort(labels[order], stable=True)]
    ordered = torch.cat([distances[order], distances.new_zeros(1)])
    starts = torch.cumsum(counts, 0) - counts
    position = q * (counts - 1).clamp(min=0).to(distances.dtype)
    low = position.floor().long()
    high = torch.minimum(low + 1, (counts - 1).clamp(min=0))
    fraction = position - low
    last = len(distances)
    lower, upper = ordered[(starts + low).clamp(max=last)], ordered[(starts + high).clamp(max=last)]
    return torch.where(counts >= 2, lower + fraction * (upper - lower), torch.zeros_like(lower))


def _fitted_circles(
    features: Float[Tensor, "n d"],
    labels: Int[Tensor, "n"],
    counts: Int[Tensor, "c"],
    centroids: Float[Tensor, "c d"],
    spec: CircleSpec,
) -> tuple[Float[Tensor, "c d"], Float[Tensor, "c"]]:
    """Centres and radii of circles that need the samples of one class at a time."""
    centers, radii = centroids.clone(), centroids.new_zeros(len(centroids))
    for index in torch.nonzero(counts >= 2)[:, 0].tolist():
        members, center = features[labels == index].double(), centroids[index]
        if spec.pca_scope == "class" and spec.pca_dim is not None and spec.pca_dim < len(center):
            basis = principal_axes(members - members.mean(0), spec.pca_dim)
            moved, radii[index] = _fit(
                (members - center) @ basis, members.new_zeros(spec.pca_dim), spec
            )
            centers[index] = center + basis @ moved
        else:
            centers[index], radii[index] = _fit(members, center, spec)
    return centers, radii


def _fit(
    members: Float[Tensor, "m d"], center: Float[Tensor, "d"], spec: CircleSpec
) -> tuple[Float[Tensor, "d"], Float[Tensor, ""]]:
    distances = (members - center).norm(dim=1)
    radius = torch.quantile(distances, spec.coverage)
    if spec.circle == "quantile":
        return center, radius
    # the mean of two samples lies as far from both, but for rounding
    return FITS[spec.circle](members[distances <= radius * (1 + 1e-12)])


def _pair_distances(centers: Float[Tensor, "c d"]) -> Float[Tensor, "c c"]:
    """Distances between centres, by a matrix product where that is faster.

    Pairs so near that expanding the square would cost digits are measured directly.
    """
    if centers.shape[1] <= 16:
        return torch.cdist(centers, centers, compute_mode="donot_use_mm_for_euclid_dist")
    centred = centers - centers.mean(0)
    squares = (centred**2).sum(1)
    scale = squares[:, None] + squares[None]
    product = centred @ centred.T
    squared = (scale - product - product.T).clamp(min=0)
    first, second = torch.nonzero(squared <= 1e-6 * scale, as_tuple=True)
    for rows in _blocks(len(first)):
        squared[first[rows], second[rows]] = (
            (centers[first[rows]] - centers[second[rows]]) ** 2
        ).sum(1)
    return squared.sqrt()
