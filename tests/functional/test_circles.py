"""Circles of classes (Sec. 2.1.2): planes, invariances, errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from diccae.functional.arguments import ArgumentError
from diccae.functional.circle_fits import min_enclosing
from diccae.functional.circles import CircleSpec, class_circles
from diccae.functional.degree import confusion_degree
from tests.functional.samples import blobs, slow_degree


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


def test_unlabelled_rows_are_left_out() -> None:
    features, labels = blobs()
    noise = torch.full((4, 8), 100.0, dtype=torch.float64)
    got = class_circles(torch.cat([features, noise]), torch.cat([labels, torch.full((4,), -1)]), 5)
    torch.testing.assert_close(got.radii, class_circles(features, labels, 5).radii)


def test_nan_features_are_counted_in_the_message() -> None:
    features, labels = blobs()
    features[3, 2], features[7, 0], features[7, 1] = math.nan, math.inf, math.nan
    with pytest.raises(ArgumentError, match="features: 2 of 150 rows are NaN or infinite"):
        class_circles(features, labels, 5)


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


def test_circles_carry_no_gradients() -> None:
    features = torch.randn(8, 3, requires_grad=True)
    circles = class_circles(features, torch.arange(8) % 2, 2)
    assert not circles.radii.requires_grad


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
