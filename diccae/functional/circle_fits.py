"""Circle fits and centroids other than the defaults of Sec. 2.1.2."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from diccae.functional.arguments import FLOAT64, ArgumentError, check_features


def geometric_median(
    points: Float[Tensor, "n d"], iterations: int = 100, tolerance: float = 1e-10
) -> Float[Tensor, "d"]:
    """The point with the smallest sum of distances to the given points (Sec. 2.1.2, step 1).

    Args:
        points: (N, D), N at least 1.
        iterations: of Weiszfeld's algorithm, at most.
        tolerance: step, as a share of the mean distance, below which it ends.

    Raises:
        ArgumentError: points of another shape, none, not finite or too large to be squared.
    """
    _check(points)
    center = points.mean(0)
    for _ in range(iterations):
        distances = (points - center).norm(dim=1)
        nearest = points[distances.argmin()]
        # Weiszfeld's step creeps up to a median that is one of the points, and never leaves a
        # point. The others pull at it, each with a force of 1, and its own weight holds it.
        offsets, apart = points - nearest, (points != nearest).any(1)
        inverse = 1 / offsets[apart].norm(dim=1)
        pull, weight = (inverse[:, None] * offsets[apart]).sum(0), int((~apart).sum())
        if pull.norm() < weight - 1e-9:
            return nearest
        if distances.min() <= 1e-9 * distances.mean():
            # the step of Vardi and Zhang (2000)
            moved = nearest + (1 - weight / pull.norm()).clamp(min=0) * pull / inverse.sum()
        else:
            moved = ((1 / distances)[:, None] * points).sum(0) / (1 / distances).sum()
        if (moved - center).norm() <= tolerance * distances.mean():
            return moved
        center = moved
    return center


def min_enclosing(
    points: Float[Tensor, "n 2"],
) -> tuple[Float[Tensor, "2"], Float[Tensor, ""]]:
    """The smallest circle around points of a plane, by Welzl's algorithm without recursion.

    Points are visited in the given order; a point outside of the circle so far lies on the
    boundary of the next one.

    Returns:
        The centre (2,) and the radius.

    Raises:
        ArgumentError: points of another dimension, none, not finite or too large to be cubed.
    """
    _check(points, FLOAT64**0.5)
    if points.shape[1] != 2:
        raise ArgumentError("points", f"wanted shape (N, 2), got {tuple(points.shape)}")
    rows = [complex(x, y) for x, y in points.tolist()]
    # what rounding adds to the distance of a point on the boundary
    slack = 1e-15 * max(map(abs, rows))
    center, radius = rows[0], 0.0
    for i, p in enumerate(rows):
        if abs(p - center) <= radius * (1 + 1e-12) + slack:
            continue
        center, radius = p, 0.0
        for j, q in enumerate(rows[:i]):
            if abs(q - center) <= radius * (1 + 1e-12) + slack:
                continue
            center, radius = (p + q) / 2, abs(p - q) / 2
            for r in rows[:j]:
                if abs(r - center) > radius * (1 + 1e-12) + slack:
                    center, radius = _through(p, q, r)
    return points.new_tensor([center.real, center.imag]), points.new_tensor(radius)


def _through(p: complex, q: complex, r: complex) -> tuple[complex, float]:
    """The circle through three points; of points on a line, the one over the two farthest apart."""
    a, b = q - p, r - p
    cross = 2 * (a.real * b.imag - a.imag * b.real)
    # what rounding leaves of points on a line
    if abs(cross) <= 1e-12 * abs(a) * abs(b):
        first, second = max(((p, q), (p, r), (q, r)), key=lambda pair: abs(pair[0] - pair[1]))
        return (first + second) / 2, abs(first - second) / 2
    offset = (
        complex(
            b.imag * abs(a) ** 2 - a.imag * abs(b) ** 2, a.real * abs(b) ** 2 - b.real * abs(a) ** 2
        )
        / cross
    )
    return p + offset, abs(offset)


def least_squares(
    points: Float[Tensor, "n d"],
) -> tuple[Float[Tensor, "d"], Float[Tensor, ""]]:
    """The algebraic least-squares circle (Kasa's fit: |x|^2 = 2 c.x + t).

    Args:
        points: (N, d).

    Returns:
        The centre (d,) and the radius.

    Raises:
        ArgumentError: points of another shape, none, not finite or too large to be squared.
    """
    _check(points)
    offset = points.mean(0)
    centred = points - offset
    design = torch.cat([2 * centred, torch.ones_like(centred[:, :1])], dim=1)
    solution = torch.linalg.lstsq(
        design, (centred**2).sum(1, keepdim=True), driver="gelsd"
    ).solution[:, 0]
    center = solution[:-1]
    return center + offset, (solution[-1] + center @ center).clamp(min=0).sqrt()


def _check(points: Tensor, limit: float | None = None) -> None:
    check_features("points", points, limit or torch.finfo(points.dtype).max)
    if not len(points):
        raise ArgumentError("points", "wanted at least one point, got none")


FITS: dict[str, Callable[[Tensor], tuple[Tensor, Tensor]]] = {
    "min_enclosing": min_enclosing,
    "least_squares": least_squares,
}
