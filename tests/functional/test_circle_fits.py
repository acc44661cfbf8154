"""Fitted circles and the geometric median against closed forms and slow references."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from diccae.functional.circle_fits import geometric_median, least_squares, min_enclosing
from diccae.functional.circles import CircleSpec, class_circles
from tests.functional.samples import blobs


def test_geometric_median_resists_an_outlier() -> None:
    corners = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
    torch.testing.assert_close(
        geometric_median(corners + 5), torch.full((2,), 5.0, dtype=torch.float64)
    )
    # of three points of which one angle exceeds 120 degrees the median is that corner; here all are
    # on a line
    line = torch.tensor([[0.0, 0], [1, 0], [100, 0]], dtype=torch.float64)
    assert geometric_median(line).tolist() == [1, 0]
    features, labels = torch.cat([line, line + 3]), torch.tensor([0, 0, 0, 1, 1, 1])
    centers = class_circles(
        features, labels, 2, CircleSpec(pca_dim=None, centroid="geometric_median")
    ).centers
    assert centers[0, 0] < 2 < line.mean(0)[0]


def test_a_mean_that_is_one_of_the_points_need_not_be_the_median() -> None:
    points = torch.tensor([[0.0], [-9], [1], [2], [3], [3]], dtype=torch.float64)
    for scale in (1e-9, 1.0, 1e9):
        median = geometric_median(points * scale).item()
        assert 1 <= median / scale <= 2
    corner = torch.tensor([[0.0, 0], [2, 1], [2, -1], [-4, 0]], dtype=torch.float64)
    # inside of a triangle of the others, so that it is the median
    assert geometric_median(corner).tolist() == [0, 0]
    assert geometric_median(corner[:1]).tolist() == [0, 0]
    # each point between two of them is a median
    assert geometric_median(corner[:2]).tolist() == [1, 0.5]


def test_no_point_near_the_geometric_median_has_a_smaller_sum_of_distances() -> None:
    generator = torch.Generator().manual_seed(0)
    for size in range(3, 40):
        points = torch.randn(size, 2, generator=generator, dtype=torch.float64)
        median = geometric_median(points, iterations=2000)
        around = median + 1e-4 * torch.randn(50, 2, generator=generator, dtype=torch.float64)
        sums = torch.cdist(torch.cat([median[None], points, around]), points).sum(1)
        assert sums.argmin() == 0 or sums.min() == pytest.approx(sums[0].item(), rel=1e-6)


def test_the_smallest_circle_does_not_depend_on_the_unit() -> None:
    points = torch.randn(8, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    radius = min_enclosing(points)[1].item()
    assert min_enclosing(1e-10 * points)[1].item() == pytest.approx(1e-10 * radius)


def test_the_circle_of_two_samples_passes_through_both() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        # their mean lies as far from both, but for rounding, which must not leave one out
        pair = 1 + torch.randn(2, 2, generator=generator, dtype=torch.float64)
        labels = torch.zeros(2, dtype=torch.long)
        circles = class_circles(pair, labels, 1, CircleSpec(circle="min_enclosing"))
        assert circles.radii.item() == pytest.approx((pair[0] - pair[1]).norm().item() / 2)


def test_min_enclosing_closed_forms() -> None:
    square = torch.tensor(
        [[0.0, 0], [2, 0], [2, 2], [0, 2], [1, 1], [0.5, 1.2]], dtype=torch.float64
    )
    center, radius = min_enclosing(square)
    assert center.tolist() == pytest.approx([1, 1])
    assert radius.item() == pytest.approx(math.sqrt(2))
    center, radius = min_enclosing(torch.tensor([[0.0, 0], [1, 0], [4, 0]], dtype=torch.float64))
    assert center.tolist() == pytest.approx([2, 0])
    assert radius.item() == pytest.approx(2)


def test_min_enclosing_equals_the_best_circle_through_two_or_three_points() -> None:
    for seed in range(5):
        points = np.random.default_rng(seed).normal(size=(9, 2)) * 10.0 ** (seed - 2)
        candidates = []
        for i in range(9):
            for j in range(i):
                candidates.append(
                    ((points[i] + points[j]) / 2, math.dist(points[i], points[j]) / 2)
                )
                for k in range(j):
                    rows = 2 * np.stack([points[j] - points[i], points[k] - points[i]])
                    center = np.linalg.solve(
                        rows, (points[[j, k]] ** 2).sum(1) - (points[i] ** 2).sum()
                    )
                    candidates.append((center, math.dist(center, points[i])))
        best = min(
            radius
            for center, radius in candidates
            if all(math.dist(center, p) <= radius * (1 + 1e-9) for p in points)
        )
        assert min_enclosing(torch.from_numpy(points))[1].item() == pytest.approx(best, rel=1e-9)


def test_min_enclosing_circle_of_a_class_covers_its_central_share() -> None:
    features, labels = blobs(classes=2, width=2, per_class=40)
    circles = class_circles(features, labels, 2, CircleSpec(pca_dim=2, circle="min_enclosing"))
    for c in range(2):
        inside = (features[labels == c] - circles.centers[c]).norm(dim=1) <= circles.radii[c] * (
            1 + 1e-9
        )
        assert inside.double().mean() >= 0.95
        assert circles.radii[c] <= class_circles(
            features, labels, 2, CircleSpec(circle="quantile")
        ).radii[c] * (1 + 1e-9)


def test_least_squares_recovers_a_circle() -> None:
    angle = torch.tensor([0.1, 0.9, 2.0, 3.3, 5.0], dtype=torch.float64)
    center, radius = least_squares(torch.stack([3 + 2 * angle.cos(), -1 + 2 * angle.sin()], dim=1))
    assert center.tolist() == pytest.approx([3, -1])
    assert radius.item() == pytest.approx(2)
