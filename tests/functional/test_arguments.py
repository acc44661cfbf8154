"""Arguments that no function can use: features of another shape or size, labels, temperatures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from diccae.functional.arguments import ArgumentError
from diccae.functional.circle_fits import geometric_median, least_squares, min_enclosing
from diccae.functional.circles import CircleSpec, class_circles
from diccae.functional.contrastive import info_nce, weighted_confusion_loss
from diccae.functional.degree import degree_statistics, smooth_degree
from diccae.functional.kmeans import kmeans, nearest_centroid
from diccae.functional.matching import match_clusters
from diccae.functional.pca import principal_axes, project
from diccae.functional.similarity import cosine_matrix, mlp_pair_features, rbf_logits
from diccae.functional.weights import WeightSpec, normalize_degree, static_weights
from diccae.models.losses import ConfusionLoss, InfoNCELoss, SupConLoss

ZEROS = torch.zeros(6, dtype=torch.long)
# each with features in the type in which its squares are computed
FUNCTIONS: dict[str, Callable[[np.ndarray], Any]] = {
    "kmeans": lambda x: kmeans(x, 2, restarts=1, use_gpu="never"),
    "spherical": lambda x: kmeans(x, 2, restarts=1, use_gpu="never", spherical=True),
    "nearest_centroid": lambda x: nearest_centroid(x, np.ones((2, 2), np.float32)),
    "project": lambda x: project(torch.from_numpy(x), 1),
    "principal_axes": lambda x: principal_axes(torch.from_numpy(x), 1),
    "class_circles": lambda x: class_circles(torch.from_numpy(x), ZEROS, 1),
    "geometric_median": lambda x: geometric_median(torch.from_numpy(x)),
    "min_enclosing": lambda x: min_enclosing(torch.from_numpy(x)),
    "least_squares": lambda x: least_squares(torch.from_numpy(x)),
    "cosine_matrix": lambda x: cosine_matrix(torch.from_numpy(x), torch.ones(2, 2)),
    "rbf_logits": lambda x: rbf_logits(torch.from_numpy(x), torch.ones(2, 2), 1.0),
    "mlp_pair_features": lambda x: mlp_pair_features(torch.from_numpy(x), torch.ones(2, 2)),
    "ConfusionLoss": lambda x: ConfusionLoss(1)(torch.from_numpy(x), ZEROS),
    "InfoNCELoss": lambda x: InfoNCELoss()(torch.from_numpy(x), torch.ones(6, 2)),
}
# computed in float64, or without squares
WIDE = {"class_circles": np.float64, "min_enclosing": np.float64}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_features_that_no_function_can_use(name: str) -> None:
    function, kind = FUNCTIONS[name], WIDE.get(name, np.float32)
    rng = np.random.default_rng(0)
    function(rng.normal(size=(6, 2)).astype(kind))
    huge = rng.normal(size=(6, 2)) * (1e300 if kind is np.float64 else 1e30)
    for features, message in (
        (np.zeros(6, kind), r"wanted shape \(N, D\) with D at least 1, got \(6,\)"),
        (np.zeros((6, 0), kind), r"wanted shape \(N, D\) with D at least 1, got \(6, 0\)"),
        (huge.astype(kind), "squares"),
    ):
        with pytest.raises(ArgumentError, match=message):
            function(features)


@pytest.mark.parametrize("name", list(FUNCTIONS)[:9])
def test_features_that_are_not_finite(name: str) -> None:
    features = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)
    features[[1, 4], 0] = np.nan, np.inf
    with pytest.raises(ArgumentError, match="2 of 6 rows are NaN or infinite"):
        FUNCTIONS[name](features)


def test_the_sum_over_all_rows_counts_too() -> None:
    # every distance is a float32 here, the inertia is not
    features = np.full((1000, 2), 5e17, np.float32)
    with pytest.raises(ArgumentError, match="divide all values by the largest"):
        kmeans(features, 2, restarts=1, use_gpu="never")


def test_infinite_features_give_a_loss_that_a_gradient_scaler_sees() -> None:
    features = torch.ones(4, 2)
    features[0, 0] = torch.inf
    assert not torch.isfinite(InfoNCELoss()(features, features))


@pytest.mark.parametrize("value", [0.0, -0.5, float("nan")])
def test_temperatures_and_scales_are_above_zero(value: float) -> None:
    ones = torch.ones(2, 2)
    for call in (
        lambda: InfoNCELoss(temperature=value),
        lambda: info_nce(ones, ones, value),
        lambda: rbf_logits(ones, ones, value),
        lambda: rbf_logits(ones, ones, torch.tensor(value)),
    ):
        with pytest.raises(ArgumentError, match="wanted a number above 0, got"):
            call()


@pytest.mark.parametrize(("label", "none"), [(3, ""), (-2, ", or -1 for none")])
def test_labels_outside_of_the_classes(label: int, none: str) -> None:
    features, labels = torch.ones(3, 2), torch.tensor([0, -1, label])
    message = f"wanted 0 to 2 for 3 classes{none}, got {label}"
    for call in (
        lambda: ConfusionLoss(3)(features, labels),
        lambda: weighted_confusion_loss(
            torch.zeros(3, 3), labels, labels, weights=torch.ones(3, 3)
        ),
        lambda: class_circles(features, labels, 3, CircleSpec(pca_dim=None)),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()


def test_labels_that_are_no_integers() -> None:
    features, labels = torch.ones(3, 2), torch.tensor([0, 1, 0.5])
    for call in (
        lambda: ConfusionLoss(3)(features, labels),
        lambda: SupConLoss()(features, labels),
        lambda: class_circles(features, labels, 3),
        lambda: match_clusters(labels.numpy(), labels.numpy(), 2),
    ):
        with pytest.raises(ArgumentError, match=r"wanted integers, got (torch\.)?float32"):
            call()


def test_numbers_of_classes_and_repetitions_are_at_least_one() -> None:
    features, none = torch.ones(3, 2), torch.full((3,), -1)
    for call, name in (
        (lambda: ConfusionLoss(0), "num_classes"),
        (lambda: class_circles(features, none, 0), "num_classes"),
        (lambda: static_weights(0), "num_classes"),
        (lambda: kmeans(features.numpy(), 2, restarts=0), "restarts"),
        (lambda: kmeans(features.numpy(), 2, iterations=0), "iterations"),
    ):
        with pytest.raises(ArgumentError, match=f"{name}: wanted at least 1, got 0"):
            call()


def test_cluster_ids_that_cannot_be_matched() -> None:
    good = np.array([0, 1, 1])
    for old, new, message in (
        (good, np.array([0, 1, 2]), "new: wanted 0 to 1 for 2 classes, got 2"),
        (np.array([0, -1, 1]), good, "old: wanted 0 to 1 for 2 classes, got -1"),
        (good, np.array([0, 1]), "new: wanted the 3 samples of `old`, got 2"),
        (good, np.zeros((3, 1), int), r"new: wanted shape \(N,\), got \(3, 1\)"),
    ):
        with pytest.raises(ArgumentError, match=message):
            match_clusters(old, new, 2)


def test_degrees_and_weights_that_mean_nothing() -> None:
    square = torch.ones(3, 3)
    broken = square.clone()
    broken[0, 1] = torch.nan
    for call, message in (
        (lambda: normalize_degree(broken), "degree: 1 of 6 pairs of classes are not finite"),
        (lambda: normalize_degree(square[:2]), r"degree: wanted shape \(C, C\), got \(2, 3\)"),
        (
            lambda: normalize_degree(square, valid=torch.ones(4, dtype=torch.bool)),
            r"valid: wanted shape \(3,\), one a class, got \(4,\)",
        ),
        (
            lambda: WeightSpec(diagonal_weight=-1),
            "diagonal_weight: wanted a finite number of at least 0",
        ),
        (lambda: degree_statistics(square[:1, :1]), "degree: wanted at least two classes, got 1"),
        (lambda: smooth_degree(square, square, 1.0), r"share: wanted a share in \[0, 1\), got 1.0"),
        (lambda: smooth_degree(square[:2], square, 0.5), r"previous: wanted shape \(3, 3\)"),
        (lambda: static_weights(3, -1.0), "weight: wanted at least 0, got -1.0"),
        (lambda: project(square, 0), "dim: wanted 1 to 3 components, got 0"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
