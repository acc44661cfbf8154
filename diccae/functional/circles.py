"""Circle fits and centroids other than the defaults of Sec. 2.1.2."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def geometric_median(points: Tensor, iterations: int = 100, tolerance: float = 1e-10) -> Tensor:
    """The point with the smallest sum of distances to (N, D) points, by Weiszfeld's iteration; (D,)."""
    center = points.mean(0)
    for _ in range(iterations):
        weights = 1 / (points - center).norm(dim=1).clamp(min=1e-12)
        moved = (weights[:, None] * points).sum(0) / weights.sum()
        if (moved - center).norm() <= tolerance * (1 + center.norm()):
            return moved
        center = moved
    return center


def min_enclosing(points: Tensor) -> tuple[Tensor, Tensor]:
    """The smallest circle around (N, 2) points: centre (2,) and radius, by Welzl's algorithm without recursion.

    Points are visited in the given order; a point outside of the circle so far lies on the boundary of the next one.
    """
    if points.shape[1] != 2:
        raise ValueError(
            f"minimal enclosing circles live in a plane: wanted (N, 2) points, got {tuple(points.shape)}; set method.pca_dim to 2"
        )
    rows = [complex(x, y) for x, y in points.tolist()]
    center, radius = rows[0], 0.0
    for i, p in enumerate(rows):
        if abs(p - center) <= radius * (1 + 1e-12) + 1e-15:
            continue
        center, radius = p, 0.0
        for j, q in enumerate(rows[:i]):
            if abs(q - center) <= radius * (1 + 1e-12) + 1e-15:
                continue
            center, radius = (p + q) / 2, abs(p - q) / 2
            for r in rows[:j]:
                if abs(r - center) > radius * (1 + 1e-12) + 1e-15:
                    center, radius = _through(p, q, r)
    return points.new_tensor([center.real, center.imag]), points.new_tensor(radius)


def _through(p: complex, q: complex, r: complex) -> tuple[complex, float]:
    """The circle through three points; for points on a line, the circle over the two that lie farthest apart."""
    a, b = q - p, r - p
    cross = 2 * (a.real * b.imag - a.imag * b.real)
    if abs(cross) < 1e-18:
        first, second = max(((p, q), (p, r), (q, r)), key=lambda pair: abs(pair[0] - pair[1]))
        return (first + second) / 2, abs(first - second) / 2
    offset = (
        complex(
            b.imag * abs(a) ** 2 - a.imag * abs(b) ** 2, a.real * abs(b) ** 2 - b.real * abs(a) ** 2
        )
        / cross
    )
    return p + offset, abs(offset)


def least_squares(points: Tensor) -> tuple[Tensor, Tensor]:
    """The algebraic least-squares circle of (N, d) points: centre (d,) and radius (Kasa's fit: |x|^2 = 2 c.x + t)."""
    offset = points.mean(0)
    centred = points - offset
    design = torch.cat([2 * centred, torch.ones_like(centred[:, :1])], dim=1)
    solution = torch.linalg.lstsq(
        design, (centred**2).sum(1, keepdim=True), driver="gelsd"
    ).solution[:, 0]
    center = solution[:-1]
    return center + offset, (solution[-1] + center @ center).clamp(min=0).sqrt()


FITS: dict[str, Callable[[Tensor], tuple[Tensor, Tensor]]] = {
    "min_enclosing": min_enclosing,
    "least_squares": least_squares,
}
