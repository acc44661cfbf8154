"""Degrees of confusion (Eq. 2) against closed forms and a slow reference; smoothing; statistics."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from diccae.functional.circles import Circles, CircleSpec, class_circles
from diccae.functional.degree import confusion_degree, degree_statistics, smooth_degree
from diccae.functional.weights import WeightSpec, normalize_degree
from tests.functional.samples import blobs, slow_degree


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


def test_smoothing_keeps_a_share_of_the_previous_degrees() -> None:
    first, second = torch.tensor([[0.0, 4], [4, 0]]), torch.tensor([[0.0, 1], [1, 0]])
    assert smooth_degree(first, second, 0.75)[0, 1].item() == pytest.approx(3.25)
    assert torch.equal(smooth_degree(None, second, 0.75), second)
    assert torch.equal(smooth_degree(first, second, 0.0), second)


def test_degrees_that_were_not_measured_are_not_smoothed() -> None:
    first, second = torch.full((3, 3), 4.0), torch.full((3, 3), 1.0)
    valid = torch.tensor([True, True, False])
    smoothed = smooth_degree(first, second, 0.75, valid=valid)
    assert smoothed[0].tolist() == [3.25, 3.25, 1]
    assert smoothed[2].tolist() == [1, 1, 1]


def test_statistics_of_the_upper_triangle() -> None:
    statistics = degree_statistics(torch.tensor([[9.0, 0, 1], [0, 9, 5], [1, 5, 9]]))
    assert statistics["mean"] == pytest.approx(2)
    assert statistics["variance"] == pytest.approx((4 + 1 + 9) / 3)
    assert statistics["zero_share"] == pytest.approx(1 / 3)
    assert statistics["quantiles"] == pytest.approx({"0.5": 1, "0.9": 4.2, "0.99": 4.92})
