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
    torch.testing.assert_close(
        geometric_median(line, iterations=5000),
        torch.tensor([1.0, 0], dtype=torch.float64),
        atol=1e-3,
        rtol=0,
    )
    features, labels = torch.cat([line, line + 3]), torch.tensor([0, 0, 0, 1, 1, 1])
    centers = class_circles(
        features, labels, 2, CircleSpec(pca_dim=None, centroid="geometric_median")
    ).centers
    assert centers[0, 0] < 2 < line.mean(0)[0]


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
