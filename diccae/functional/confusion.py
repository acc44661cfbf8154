"""Coverage circles, degrees of confusion and weights (Sec. 2.1.2 and 2.1.3, Eq. 2 and 3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from diccae.errors import UserError
from diccae.functional.circles import FITS, geometric_median

CENTROIDS = ("mean", "geometric_median")
PCA_SCOPES = ("all", "class")
CIRCLES = ("quantile", *FITS)
NORMALIZATIONS = ("literal", "robust", "rank", "log1p", "mean_one")


class Circles(NamedTuple):
    """centers (C, d), radii (C,), counts (C,) of the samples that made them; distances (C, C) between centres.

    With `pca_scope='class'` a radius is measured in the class's own plane and distances in the full space; otherwise both in one space.
    """

    centers: Tensor
    radii: Tensor
    counts: Tensor
    distances: Tensor


def class_circles(
    features: Tensor,
    labels: Tensor,
    num_classes: int,
    *,
    centroid: str = "mean",
    pca_dim: int | None = 2,
    pca_scope: str = "all",
    circle: str = "quantile",
    coverage: float = 0.95,
) -> Circles:
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

    A class with fewer than two samples has radius 0; its centre is its sample, or the origin if it has none. All results are float64.

    Raises:
        UserError: features that are not finite, labels outside of the classes, no such option.
    """
    _check_options(centroid, pca_dim, pca_scope, circle, coverage, features.shape[1])
    # any NaN or infinity survives a sum, which is 50 times cheaper than looking at every element
    bad = (
        0
        if bool(torch.isfinite(features.sum()))
        else int((~torch.isfinite(features).all(dim=1)).sum())
    )
    if bad:
        raise UserError(
            f"degrees of confusion: {bad} of {len(features)} feature rows are NaN or infinite; "
            "training diverged: lower the learning rate"
        )
    largest = int(labels.max()) if len(labels) else -1
    if largest >= num_classes:
        raise UserError(
            f"degrees of confusion: label {largest} with {num_classes} classes; "
            f"labels run from 0 to {num_classes - 1}: mend the manifest"
        )
    labelled = labels >= 0
    if not bool(labelled.all()):
        features, labels = features[labelled], labels[labelled]
    labels = labels.long()
    counts = torch.bincount(labels, minlength=num_classes)
    if pca_dim is not None and pca_scope == "all" and pca_dim < features.shape[1]:
        features = project(features.double(), pca_dim)
    centers = _centroids(features, labels, num_classes, counts, centroid)
    full_centers = centers
    radii = centers.new_zeros(num_classes)
    if pca_scope == "class" or circle != "quantile":
        for index in torch.nonzero(counts >= 2)[:, 0].tolist():
            members = features[labels == index].double()
            center = centers[index]
            if pca_scope == "class" and pca_dim is not None and pca_dim < members.shape[1]:
                basis = _basis(members - members.mean(0), pca_dim)
                members, local = (members - center) @ basis, members.new_zeros(pca_dim)
            else:
                basis, local = None, center
            moved, radii[index] = _fit(members, local, circle, coverage)
            full_centers[index] = moved if basis is None else center + basis @ moved
    else:
        radii = _class_quantiles(
            _distances_to_centroids(features, labels, centers), labels, counts, coverage
        )
    return Circles(full_centers, radii, counts, _pair_distances(full_centers))


def _check_options(
    centroid: str, pca_dim: int | None, pca_scope: str, circle: str, coverage: float, width: int
) -> None:
    for key, value, choices in (
        ("centroid", centroid, CENTROIDS),
        ("pca_scope", pca_scope, PCA_SCOPES),
        ("circle", circle, CIRCLES),
    ):
        if value not in choices:
            raise UserError(f"method.{key}: wanted one of {', '.join(choices)}, got {value!r}")
    if not 0 < coverage <= 1:
        raise UserError(f"method.coverage: wanted a share in (0, 1], got {coverage}")
    if pca_dim is not None and pca_dim < 1:
        raise UserError(
            f"method.pca_dim: wanted at least 1 component, or none for all dimensions, got {pca_dim}"
        )
    if circle == "min_enclosing" and min(width, pca_dim or width) != 2:
        raise UserError(
            f"method.circle: min_enclosing lives in a plane, got {min(width, pca_dim or width)} dimensions; set method.pca_dim to 2"
        )


def project(features: Tensor, dim: int) -> Tensor:
    """(N, D) -> (N, dim): the leading principal components."""
    centred = features - features.mean(0)
    return centred @ _basis(centred, dim)


def _basis(centred: Tensor, dim: int) -> Tensor:
    """(D, dim) leading eigenvectors of the covariance."""
    return torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -dim:].flip(1)


def _centroids(
    features: Tensor, labels: Tensor, num_classes: int, counts: Tensor, centroid: str
) -> Tensor:
    sums = torch.zeros(num_classes, features.shape[1], dtype=torch.float64, device=features.device)
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


def _distances_to_centroids(features: Tensor, labels: Tensor, centers: Tensor) -> Tensor:
    """(N,) float64 distance of each feature to the centre of its class."""
    distances = centers.new_empty(len(features))
    for rows in _blocks(len(features)):
        distances[rows] = torch.linalg.vector_norm(
            features[rows].double() - centers[labels[rows]], dim=1
        )
    return distances


def _pair_distances(centers: Tensor) -> Tensor:
    """(C, C) distances. By a matrix product where that is faster; pairs so near that expanding the square would cost digits are measured directly."""
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

    Returns the (C, C) degrees and how many pairs of classes, each counted once, had a distance of zero that was
    clamped to the smallest step of the type.
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


def normalize_degree(
    degree: Tensor,
    *,
    normalization: str = "literal",
    weight_range: float = 2.0,
    diagonal_weight: float | str = 1.0,
    weight_floor: float = 0.0,
    valid: Tensor | None = None,
) -> Tensor:
    """Eq. 3 over off-diagonal entries: (C, C) degrees -> (C, C) float32 weights.

    `literal` maps [min, max] to [0, weight_range]; `robust` caps at the 99th percentile first; `rank` does so with
    average ranks, `log1p` with log(1 + M); `mean_one` divides by the mean. If all entries are equal every weight is
    1.0, the diagonal too. The diagonal gets `diagonal_weight`, or each row's mean over the other classes (`row_mean`).

    Args:
        degree: (C, C), symmetric, at least 0.
        normalization: see above.
        weight_range: the largest weight, but for `mean_one`, whose weights have no bound.
        diagonal_weight: weight of same-class pairs.
        weight_floor: no off-diagonal weight is smaller.
        valid: (C,) bool, the classes whose degrees were measured. Pairs with another class stay out of minimum, maximum, ranks and mean, and get
            `weight_floor`. None for all.

    Raises:
        UserError: no such normalisation.
    """
    if normalization not in NORMALIZATIONS:
        raise UserError(
            f"method.normalization: wanted one of {', '.join(NORMALIZATIONS)}, got {normalization!r}"
        )
    off = ~torch.eye(len(degree), dtype=torch.bool, device=degree.device)
    measured = off if valid is None else off & valid[:, None] & valid[None]
    values = _shape(degree[measured].double(), normalization)
    if not len(values) or values.max() == values.min():
        return torch.ones_like(degree, dtype=torch.float32)
    scaled = (
        values / values.mean()
        if normalization == "mean_one"
        else (values - values.min()) / (values.max() - values.min()) * weight_range
    )
    weights = torch.zeros_like(degree, dtype=torch.float64)
    weights[measured] = scaled
    weights = torch.where(off, weights.clamp(min=weight_floor), torch.zeros_like(weights))
    if diagonal_weight == "row_mean":
        weights.diagonal().copy_(weights.sum(1) / (len(degree) - 1))
    else:
        weights.fill_diagonal_(float(diagonal_weight))
    return weights.float()


def _shape(values: Tensor, normalization: str) -> Tensor:
    """The (P,) degrees as min-max scaling takes them."""
    if normalization == "robust" and len(values):
        return values.clamp(max=torch.quantile(values, 0.99))
    if normalization == "rank":
        return _average_ranks(values)
    return values.log1p() if normalization == "log1p" else values


def _average_ranks(values: Tensor) -> Tensor:
    _, inverse, counts = torch.unique(values, return_inverse=True, return_counts=True)
    last = torch.cumsum(counts, 0).double()
    return (last - (counts - 1) / 2)[inverse]


def degree_statistics(degree: Tensor) -> dict[str, Any]:
    """Mean, population variance, share of exact zeros and quantiles of the upper triangle (Sec. 2.1.2-4)."""
    rows, columns = torch.triu_indices(len(degree), len(degree), offset=1)
    values = degree[rows, columns].double()
    return {
        "mean": float(values.mean()),
        "variance": float(values.var(unbiased=False)),
        "zero_share": float((values == 0).double().mean()),
        "quantiles": {str(q): float(torch.quantile(values, q)) for q in (0.5, 0.9, 0.99)},
    }
