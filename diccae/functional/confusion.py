"""Coverage circles, degrees of confusion and weights (Sec. 2.1.2 and 2.1.3, Eq. 2 and 3)."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from diccae.functional.circles import FITS, geometric_median
from diccae.structures import UserError


class Circles(NamedTuple):
    """centers (C, d), radii (C,), counts (C,) of the samples that made them; distances (C, C) between centres.

    With `pca_scope='class'` a radius is measured in the class's own plane and distances in the full space; otherwise both in one space.
    """

    centers: Tensor
    radii: Tensor
    counts: Tensor
    distances: Tensor


def class_circles(features: Tensor, labels: Tensor, num_classes: int, *, centroid: str = "mean", pca_dim: int | None = 2, pca_scope: str = "all",
                  circle: str = "quantile", coverage: float = 0.95) -> Circles:
    """One circle a class that covers its central part (Sec. 2.1.2, steps 1 and 2).

    Args:
        features: (N, D) of the update set.
        labels: (N,) in [0, num_classes); -1 is left out.
        centroid: `mean`, or `geometric_median`, which minimises the sum of distances.
        pca_dim: principal components that are kept; None for all dimensions.
        pca_scope: PCA on `all` samples, or one a `class`.
        circle: `quantile`: radius = the coverage quantile of the distances to the centroid; `min_enclosing`, `least_squares`: fitted to the central
            share, which moves the centre too.
        coverage: the share of samples that a circle covers, in (0, 1].

    A class with fewer than two samples has radius 0.

    Raises:
        UserError: features are not finite.
    """
    bad = int((~torch.isfinite(features).all(dim=1)).sum())
    if bad:
        raise UserError(f"degrees of confusion: {bad} of {len(features)} feature rows are NaN or infinite; training diverged: lower the learning rate")
    keep = labels >= 0
    features, labels = features[keep].double(), labels[keep].long()
    counts = torch.bincount(labels, minlength=num_classes)
    if pca_dim is not None and pca_scope == "all" and pca_dim < features.shape[1]:
        features = project(features, pca_dim)
    centers = _centroids(features, labels, num_classes, counts, centroid)
    full_centers = centers
    radii = torch.zeros(num_classes, dtype=features.dtype)
    if pca_scope == "class" or circle != "quantile":
        for index in torch.nonzero(counts >= 2)[:, 0].tolist():
            members = features[labels == index]
            center = centers[index]
            if pca_scope == "class" and pca_dim is not None and pca_dim < members.shape[1]:
                basis = _basis(members - members.mean(0), pca_dim)
                members, local = (members - center) @ basis, torch.zeros(pca_dim, dtype=features.dtype)
            else:
                basis, local = None, center
            moved, radii[index] = _fit(members, local, circle, coverage)
            full_centers[index] = moved if basis is None else center + basis @ moved
    else:
        distances = (features - centers[labels]).norm(dim=1)
        radii = _class_quantiles(distances, labels, counts, coverage)
    return Circles(full_centers, radii, counts, torch.cdist(full_centers, full_centers, compute_mode="donot_use_mm_for_euclid_dist"))


def project(features: Tensor, dim: int) -> Tensor:
    """(N, D) -> (N, dim): the leading principal components."""
    centred = features - features.mean(0)
    return centred @ _basis(centred, dim)


def _basis(centred: Tensor, dim: int) -> Tensor:
    """(D, dim) leading eigenvectors of the covariance."""
    return torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -dim:].flip(1)


def _centroids(features: Tensor, labels: Tensor, num_classes: int, counts: Tensor, centroid: str) -> Tensor:
    sums = torch.zeros(num_classes, features.shape[1], dtype=features.dtype).index_add_(0, labels, features)
    centers = sums / counts.clamp(min=1)[:, None]
    if centroid == "geometric_median":
        for index in torch.nonzero(counts >= 2)[:, 0].tolist():
            centers[index] = geometric_median(features[labels == index])
    return centers


def _class_quantiles(distances: Tensor, labels: Tensor, counts: Tensor, q: float) -> Tensor:
    """Linear-interpolated quantile of the distances within each class, (C,); 0 for classes with fewer than two samples. One sort, no loop."""
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


def _fit(members: Tensor, center: Tensor, circle: str, coverage: float) -> tuple[Tensor, Tensor]:
    distances = (members - center).norm(dim=1)
    radius = torch.quantile(distances, coverage)
    if circle == "quantile":
        return center, radius
    return FITS[circle](members[distances <= radius])


def confusion_degree(circles: Circles) -> tuple[Tensor, int]:
    """Eq. 2: M_ij = max(0, r_i + r_j - d_ij) / d_ij off the diagonal, 0 on it, and for classes without two samples.

    Returns the (C, C) degrees and how many off-diagonal distances of zero were clamped to the smallest step of the type.
    """
    radii, distances = circles.radii, circles.distances
    eps = torch.finfo(distances.dtype).eps
    valid = circles.counts >= 2
    pairs = valid[:, None] & valid[None]
    pairs.fill_diagonal_(False)
    clamped = int((pairs & (distances < eps)).sum()) // 2
    safe = distances.clamp(min=eps)
    degree = (radii[:, None] + radii[None] - safe).clamp(min=0) / safe
    return torch.where(pairs, degree, torch.zeros_like(degree)), clamped


def normalize_degree(degree: Tensor, *, normalization: str = "literal", weight_range: float = 2.0, diagonal_weight: float | str = 1.0,
                     weight_floor: float = 0.0) -> Tensor:
    """Eq. 3 over off-diagonal entries: (C, C) degrees -> (C, C) float32 weights.

    `literal` maps [min, max] to [0, weight_range]; `robust` caps at the 99th percentile first; `rank` does so with average ranks, `log1p` with log(1 + M);
    `mean_one` divides by the mean. If all entries are equal every weight is 1.0. The diagonal gets `diagonal_weight`, or each row's mean (`row_mean`).
    """
    off = ~torch.eye(len(degree), dtype=torch.bool)
    values = degree[off].double()
    if values.max() == values.min():
        return torch.ones(degree.shape, dtype=torch.float32)
    if normalization == "mean_one":
        scaled = values / values.mean()
    else:
        if normalization == "robust":
            values = values.clamp(max=torch.quantile(values, 0.99))
            if values.max() == values.min():
                return torch.ones(degree.shape, dtype=torch.float32)
        elif normalization == "rank":
            values = _average_ranks(values)
        elif normalization == "log1p":
            values = values.log1p()
        scaled = (values - values.min()) / (values.max() - values.min()) * weight_range
    weights = torch.zeros(degree.shape, dtype=torch.float64)
    weights[off] = scaled.clamp(min=weight_floor)
    diagonal = weights.sum(1) / (len(degree) - 1) if diagonal_weight == "row_mean" else torch.full((len(degree),), float(diagonal_weight)).double()
    return (weights + torch.diag(diagonal)).float()


def _average_ranks(values: Tensor) -> Tensor:
    _, inverse, counts = torch.unique(values, return_inverse=True, return_counts=True)
    last = torch.cumsum(counts, 0).double()
    return (last - (counts - 1) / 2)[inverse]


def degree_statistics(degree: Tensor) -> dict[str, Any]:
    """Mean, population variance, share of exact zeros and quantiles of the upper triangle (Sec. 2.1.2-4)."""
    rows, columns = torch.triu_indices(len(degree), len(degree), offset=1)
    values = degree[rows, columns].double()
    return {"mean": float(values.mean()), "variance": float(values.var(unbiased=False)), "zero_share": float((values == 0).double().mean()),
            "quantiles": {str(q): float(torch.quantile(values, q)) for q in (0.5, 0.9, 0.99)}}
