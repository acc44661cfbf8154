"""Circles, degrees and weights against closed forms, a slow reference written from Sec. 2.1.2 and 2.1.3, and invariances."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from diccae.functional.arguments import ArgumentError
from diccae.functional.circle_fits import geometric_median, least_squares, min_enclosing
from diccae.functional.circles import Circles, CircleSpec, class_circles
from diccae.functional.degree import confusion_degree
from diccae.functional.weights import WeightSpec, normalize_degree


def circles_at(
    centers: list[list[float]], radii: list[float], counts: list[int] | None = None
) -> Circles:
    points = torch.tensor(centers, dtype=torch.float64)
    return Circles(
        points,
        torch.tensor(radii, dtype=torch.float64),
        torch.tensor(counts or [9] * len(radii)),
        torch.cdist(points, points),
    )


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
    """Sec. 2.1.2 in plain loops: mean, distances, their quantile, then r_i + r_j - d_ij over d_ij."""
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


def test_two_unit_circles_at_distance_one_have_degree_one() -> None:
    degree, clamped = confusion_degree(circles_at([[0, 0], [1, 0]], [1, 1]))
    assert degree.tolist() == [[0, 1], [1, 0]]
    assert clamped == 0


def test_degree_closed_forms() -> None:
    degree, _ = confusion_degree(circles_at([[0, 0], [2, 0], [0, 5]], [1, 2, 1]))
    assert degree[0, 1] == pytest.approx((1 + 2 - 2) / 2)
    assert degree[0, 2] == 0
    assert degree[1, 2] == 0


def test_concentric_circles_are_clamped_and_counted_once() -> None:
    degree, clamped = confusion_degree(circles_at([[0, 0], [0, 0], [9, 9]], [1, 1, 1]))
    assert clamped == 1
    assert torch.isfinite(degree).all()
    assert degree[0, 1] > 1e10
    assert degree[0, 2] == 0


def test_a_class_without_two_samples_overlaps_with_nothing() -> None:
    degree, clamped = confusion_degree(circles_at([[0, 0], [0, 0], [0.5, 0]], [1, 0, 1], [9, 1, 9]))
    assert clamped == 0
    assert degree[1].tolist() == degree[:, 1].tolist() == [0, 0, 0]
    assert degree[0, 2] == pytest.approx(3)


@pytest.mark.parametrize("coverage", [0.5, 0.95, 1.0])
def test_full_dimensions_equal_the_slow_reference(coverage: float) -> None:
    features, labels = blobs()
    degree, _ = confusion_degree(
        class_circles(features, labels, 5, CircleSpec(pca_dim=None, coverage=coverage))
    )
    reference = slow_degree(features.numpy(), labels.numpy(), 5, coverage)
    assert (reference > 0).any()
    np.testing.assert_allclose(degree.numpy(), reference, rtol=1e-10, atol=1e-12)


def test_wide_features_equal_the_slow_reference_even_where_centres_nearly_meet() -> None:
    features, labels = blobs(width=40)
    near = features[labels == 0] + 1e-6
    features, labels = torch.cat([features, near]) + 50, torch.cat([labels, torch.full((30,), 5)])
    degree, clamped = confusion_degree(class_circles(features, labels, 6, CircleSpec(pca_dim=None)))
    np.testing.assert_allclose(
        degree.numpy(), slow_degree(features.numpy(), labels.numpy(), 6, 0.95), rtol=1e-6
    )
    assert degree[0, 5] > 1e5
    assert clamped == 0
    assert torch.equal(degree, degree.T)


def test_wide_identical_classes_are_clamped() -> None:
    features, labels = (
        torch.randn(30, 40, generator=torch.Generator().manual_seed(0)),
        torch.arange(30),
    )
    degree, clamped = confusion_degree(
        class_circles(
            torch.cat([features] * 2),
            torch.cat([labels * 0, labels * 0 + 1]),
            2,
            CircleSpec(pca_dim=None),
        )
    )
    assert clamped == 1
    assert torch.isfinite(degree).all()


def test_float32_features_that_overflow_a_sum_are_not_taken_for_nan() -> None:
    features, labels = blobs()
    huge = (features * 1e37).float()
    assert not torch.isfinite(huge.abs().sum())
    torch.testing.assert_close(
        confusion_degree(class_circles(huge.abs(), labels, 5))[0],
        confusion_degree(class_circles(huge.abs().double() / 1e37, labels, 5))[0],
        rtol=1e-6,
        atol=1e-9,
    )


def test_the_plane_is_that_of_the_singular_value_decomposition() -> None:
    features, labels = blobs()
    degree, _ = confusion_degree(class_circles(features, labels, 5))
    centred = features - features.mean(0)
    plane = centred @ torch.linalg.svd(centred, full_matrices=False).Vh[:2].T
    np.testing.assert_allclose(
        degree.numpy(), slow_degree(plane.numpy(), labels.numpy(), 5, 0.95), rtol=1e-8, atol=1e-10
    )


def test_class_scope_measures_radii_in_each_class_plane_and_distances_in_full_space() -> None:
    features, labels = blobs()
    circles = class_circles(features, labels, 5, CircleSpec(pca_scope="class"))
    for c in range(5):
        members = features[labels == c] - features[labels == c].mean(0)
        plane = members @ torch.linalg.svd(members, full_matrices=False).Vh[:2].T
        assert circles.radii[c].item() == pytest.approx(
            torch.quantile(plane.norm(dim=1), 0.95).item(), rel=1e-8
        )
        for other in range(5):
            wanted = math.dist(features[labels == c].mean(0), features[labels == other].mean(0))
            assert circles.distances[c, other].item() == pytest.approx(wanted, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("scope", ["all", "class"])
@pytest.mark.parametrize("circle", ["quantile", "min_enclosing", "least_squares"])
def test_rotation_and_translation_of_the_features_change_nothing(scope: str, circle: str) -> None:
    features, labels = blobs()
    rotation = torch.linalg.qr(
        torch.randn(8, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    ).Q
    before = class_circles(features, labels, 5, CircleSpec(pca_scope=scope, circle=circle))
    after = class_circles(
        features @ rotation + 7.0, labels, 5, CircleSpec(pca_scope=scope, circle=circle)
    )
    torch.testing.assert_close(after.radii, before.radii, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(
        confusion_degree(after)[0], confusion_degree(before)[0], rtol=1e-6, atol=1e-8
    )


@pytest.mark.parametrize("normalization", ["literal", "robust", "rank", "log1p", "mean_one"])
def test_renaming_the_classes_permutes_degrees_and_weights(normalization: str) -> None:
    features, labels = blobs()
    renamed = torch.tensor([3, 0, 4, 1, 2])
    before, _ = confusion_degree(class_circles(features, labels, 5))
    after, _ = confusion_degree(class_circles(features, renamed[labels], 5))
    torch.testing.assert_close(after[renamed][:, renamed], before)
    torch.testing.assert_close(
        normalize_degree(after, WeightSpec(normalization))[renamed][:, renamed],
        normalize_degree(before, WeightSpec(normalization)),
    )


def test_scaling_the_features_leaves_degrees_alone() -> None:
    features, labels = blobs()
    before, _ = confusion_degree(class_circles(features, labels, 5))
    after, _ = confusion_degree(class_circles(features * 1e3, labels, 5))
    torch.testing.assert_close(after, before)


def test_absent_and_single_classes() -> None:
    features, labels = blobs(classes=3)
    alone = torch.zeros(1, 8, dtype=torch.float64)
    circles = class_circles(
        torch.cat([features, alone]),
        torch.cat([labels, torch.tensor([4])]),
        6,
        CircleSpec(pca_dim=None),
    )
    assert circles.counts.tolist() == [30, 30, 30, 0, 1, 0]
    assert circles.radii[3:].tolist() == [0, 0, 0]
    assert circles.centers[4].tolist() == [0] * 8
    degree, clamped = confusion_degree(circles)
    assert degree[3:].eq(0).all()
    assert degree[:, 3:].eq(0).all()
    assert clamped == 0


def test_unlabelled_rows_are_left_out() -> None:
    features, labels = blobs()
    noise = torch.full((4, 8), 100.0, dtype=torch.float64)
    got = class_circles(torch.cat([features, noise]), torch.cat([labels, torch.full((4,), -1)]), 5)
    torch.testing.assert_close(got.radii, class_circles(features, labels, 5).radii)


def test_identical_points_give_finite_degrees_and_unit_weights() -> None:
    degree, clamped = confusion_degree(class_circles(torch.ones(12, 4), torch.arange(12) % 3, 3))
    assert torch.equal(degree, torch.zeros(3, 3, dtype=torch.float64))
    assert clamped == 3
    assert torch.equal(normalize_degree(degree), torch.ones(3, 3))


def test_no_rows_at_all() -> None:
    degree, _ = confusion_degree(
        class_circles(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), 3)
    )
    assert torch.equal(degree, torch.zeros(3, 3, dtype=torch.float64))


def test_nan_features_are_counted_in_the_message() -> None:
    features, labels = blobs()
    features[3, 2], features[7, 0], features[7, 1] = math.nan, math.inf, math.nan
    with pytest.raises(ArgumentError, match="features: 2 of 150 rows are NaN or infinite"):
        class_circles(features, labels, 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"centroid": "median"}, "centroid: wanted one of mean, geometric_median, got 'median'"),
        ({"circle": "oval"}, "circle: wanted one of quantile, .*got 'oval'"),
        ({"pca_scope": "both"}, "pca_scope: wanted one of all, class, got 'both'"),
        ({"coverage": 95}, r"coverage: wanted a share in \(0, 1\], got 95"),
        ({"coverage": 0}, "coverage: .*got 0"),
        ({"pca_dim": 0}, "pca_dim: wanted at least 1 component"),
    ],
)
def test_options_that_do_not_exist(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        CircleSpec(**options)


def test_minimal_enclosing_circles_need_a_plane() -> None:
    features, labels = blobs()
    for pca_dim, kept in ((None, 8), (3, 3)):
        with pytest.raises(ArgumentError, match=f"pca_dim: .* needs 2 dimensions, got {kept}"):
            class_circles(features, labels, 5, CircleSpec(circle="min_enclosing", pca_dim=pca_dim))
    with pytest.raises(ArgumentError, match=r"points: wanted shape \(N, 2\), got \(150, 8\)"):
        min_enclosing(features)


def test_a_label_outside_of_the_classes() -> None:
    features, labels = blobs()
    with pytest.raises(ArgumentError, match="labels: wanted 0 to 2 for 3 classes, got 4"):
        class_circles(features, labels, 3)


@pytest.mark.parametrize("scope", ["all", "class"])
@pytest.mark.parametrize("circle", ["quantile", "least_squares"])
def test_the_features_are_not_changed(scope: str, circle: str) -> None:
    features, labels = blobs()
    before = features.clone()
    class_circles(features, labels, 5, CircleSpec(pca_scope=scope, circle=circle, pca_dim=None))
    assert torch.equal(features, before)


def test_geometric_median_resists_an_outlier() -> None:
    corners = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
    torch.testing.assert_close(
        geometric_median(corners + 5), torch.full((2,), 5.0, dtype=torch.float64)
    )
    # of three points of which one angle exceeds 120 degrees the median is that corner; here all are on a line
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
