"""Errors of pure functions in terms of the plan."""

from __future__ import annotations

import errno

import numpy as np
import pytest
import torch

from diccae.engine.explain import explained
from diccae.errors import UserError
from diccae.functional.circles import CircleSpec, class_circles
from diccae.functional.kmeans import kmeans


def test_too_few_clips_name_the_key_of_the_plan() -> None:
    with (
        pytest.raises(
            UserError,
            match="^first clusters: k: 4 samples are too few for 9 clusters; "
            "lower method.kmeans_k in the plan$",
        ),
        explained("first clusters"),
    ):
        kmeans(np.ones((4, 2)), 9)


@pytest.mark.parametrize(
    ("features", "labels", "spec", "remedy"),
    [
        (torch.full((2, 4), torch.nan), [0, 1], CircleSpec(), "lower schedule.<stage>.lr"),
        (torch.ones(2, 4), [0, 7], CircleSpec(), "correct the labels of the manifest"),
        (torch.ones(2, 4), [0, 1], CircleSpec(circle="min_enclosing", pca_dim=3), "method.pca_dim"),
    ],
)
def test_errors_of_circles_say_what_to_change(
    features: torch.Tensor, labels: list[int], spec: CircleSpec, remedy: str
) -> None:
    with pytest.raises(UserError, match=f"^degrees: .*; .*{remedy}"), explained("degrees"):
        class_circles(features, torch.tensor(labels), 2, spec)


def test_an_option_is_named_as_in_the_plan() -> None:
    with pytest.raises(UserError, match="change method.coverage in the plan"), explained("circles"):
        CircleSpec(coverage=95)


def test_a_full_disk_is_a_user_error_and_a_bug_is_not() -> None:
    with pytest.raises(UserError, match="^features: /tmp: free some space$"), explained("features"):
        raise OSError(errno.ENOSPC, "/tmp: free some space")
    with pytest.raises(ValueError, match="a bug"), explained("features"):
        raise ValueError("a bug")
