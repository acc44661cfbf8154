"""Degree of confusion between classes (Eq. 2), its smoothing over epochs and its statistics."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from diccae.functional.arguments import ArgumentError, check_square
from diccae.functional.circles import Circles


def confusion_degree(circles: Circles) -> tuple[Float[Tensor, "c c"], int]:
    """Eq. 2: M_ij = max(0, r_i + r_j - d_ij) / d_ij, without unit.

    Deviation: Eq. 2 is infinite on the diagonal and for classes with a common centre. Here the
    diagonal is 0, and so are the pairs of a class with fewer than two samples, which has no circle;
    a distance of zero is clamped to the smallest step of the type.

    Returns:
        The (C, C) degrees, and how many pairs of classes, each counted once, had such a distance.
    """
    radii, distances = circles.radii, circles.distances
    eps = torch.finfo(distances.dtype).eps
    pairs = circles.valid[:, None] & circles.valid[None]
    pairs.fill_diagonal_(False)
    clamped = int((pairs & (distances < eps)).sum()) // 2
    safe = distances.clamp(min=eps)
    degree = (radii[:, None] + radii[None] - safe).clamp(min=0) / safe
    return torch.where(pairs, degree, torch.zeros_like(degree)), clamped


def smooth_degree(
    previous: Float[Tensor, "c c"] | None,
    degree: Float[Tensor, "c c"],
    share: float,
    *,
    valid: Bool[Tensor, "c"] | None = None,
) -> Float[Tensor, "c c"]:
    """The degrees of this epoch, averaged with those of the epochs before.

    Deviation: the paper takes the degrees of the last epoch alone, which a share of 0 gives.

    Args:
        previous: (C, C) degrees of the previous epoch as this function returned them; None in the
            first epoch.
        degree: (C, C) degrees of this epoch (Eq. 2).
        share: of the previous degrees in the result, in [0, 1).
        valid: (C,) the classes whose degrees were measured in both epochs; the pairs of any other
            class take the degree of this epoch. None for all classes.

    Raises:
        ArgumentError: a share outside of [0, 1), or degrees of two shapes.
    """
    if not 0 <= share < 1:
        raise ArgumentError("share", f"wanted a share in [0, 1), got {share}")
    if previous is None or not share:
        return degree
    if previous.shape != degree.shape:
        raise ArgumentError(
            "previous", f"wanted shape {tuple(degree.shape)}, got {tuple(previous.shape)}"
        )
    smoothed = share * previous + (1 - share) * degree
    if valid is None:
        return smoothed
    return torch.where(valid[:, None] & valid[None], smoothed, degree)


def degree_statistics(degree: Float[Tensor, "c c"]) -> dict[str, Any]:
    """Statistics of the pairs of classes, by which features are judged (Sec. 2.1.2, step 4).

    Returns:
        `mean`, `variance` (of the population), `zero_share` (share of exact zeros) and `quantiles`
        (0.5, 0.9, 0.99) of the upper triangle. Pairs of a class with fewer than two samples have
        the degree 0 of `confusion_degree` and count as such.

    Raises:
        ArgumentError: degrees of another shape; fewer than two classes.
    """
    check_square("degree", degree)
    if len(degree) < 2:
        raise ArgumentError("degree", f"wanted at least two classes, got {len(degree)}")
    rows, columns = torch.triu_indices(len(degree), len(degree), offset=1)
    values = degree[rows, columns].double()
    return {
        "mean": float(values.mean()),
        "variance": float(values.var(unbiased=False)),
        "zero_share": float((values == 0).double().mean()),
        "quantiles": {str(q): float(torch.quantile(values, q)) for q in (0.5, 0.9, 0.99)},
    }
