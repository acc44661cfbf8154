"""Weights of Eq. 3, flat and static weights, against hand values."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from diccae.functional.arguments import ArgumentError
from diccae.functional.weights import (
    WeightSpec,
    flat_weights,
    normalize_degree,
    static_weights,
    weight_statistics,
)

DEGREE = torch.tensor([[0.0, 1, 3], [1, 0, 2], [3, 2, 0]], dtype=torch.float64)


def test_literal_is_the_printed_equation() -> None:
    torch.testing.assert_close(
        normalize_degree(DEGREE), torch.tensor([[1.0, 0, 2], [0, 1, 1], [2, 1, 1]])
    )
    torch.testing.assert_close(
        normalize_degree(DEGREE, WeightSpec(weight_range=4.0))[0], torch.tensor([1.0, 0, 4])
    )


def test_the_diagonal_takes_no_part_in_minimum_and_maximum() -> None:
    infinite = DEGREE.clone().fill_diagonal_(math.inf)
    torch.testing.assert_close(normalize_degree(infinite), normalize_degree(DEGREE))


def test_mean_one_log1p_and_diagonals() -> None:
    off = ~torch.eye(3, dtype=torch.bool)
    assert normalize_degree(DEGREE, WeightSpec(normalization="mean_one"))[
        off
    ].mean().item() == pytest.approx(1)
    assert normalize_degree(DEGREE, WeightSpec(normalization="mean_one"))[
        0, 2
    ].item() == pytest.approx(1.5)
    wanted = 2 * (math.log(3) - math.log(2)) / (math.log(4) - math.log(2))
    assert normalize_degree(DEGREE, WeightSpec(normalization="log1p"))[
        1, 2
    ].item() == pytest.approx(wanted)
    assert normalize_degree(
        DEGREE, WeightSpec(diagonal_weight="row_mean")
    ).diagonal().tolist() == pytest.approx([1, 0.5, 1.5])
    assert normalize_degree(DEGREE, WeightSpec(diagonal_weight=0)).diagonal().tolist() == [0, 0, 0]
    assert normalize_degree(DEGREE, WeightSpec(weight_floor=0.3))[0, 1].item() == pytest.approx(0.3)


def test_ranks_with_ties() -> None:
    ties = torch.zeros(4, 4)
    for (i, j), value in {
        (0, 1): 0,
        (0, 2): 0,
        (0, 3): 5,
        (1, 2): 7,
        (1, 3): 7,
        (2, 3): 1e6,
    }.items():
        ties[i, j] = ties[j, i] = value
    # each pair stands twice: ranks 1-4 (average 2.5), 5-6 (5.5), 7-10 (8.5), 11-12 (11.5), scaled
    # from [2.5, 11.5] to [0, 2]
    weights = normalize_degree(ties, WeightSpec(normalization="rank"))
    assert [weights[0, 1].item(), weights[0, 2].item()] == pytest.approx([0, 0])
    assert weights[0, 3].item() == pytest.approx(2 * 3 / 9)
    assert [weights[1, 2].item(), weights[1, 3].item()] == pytest.approx([2 * 6 / 9] * 2)
    assert weights[2, 3].item() == pytest.approx(2)


def test_robust_caps_an_outlier_that_starves_the_literal_reading() -> None:
    degree = torch.rand(40, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    degree = (degree + degree.T).fill_diagonal_(0)
    degree[0, 1] = degree[1, 0] = 1e4
    off = ~torch.eye(40, dtype=torch.bool)
    assert normalize_degree(degree)[off].median() < 1e-3
    robust = normalize_degree(degree, WeightSpec(normalization="robust"))
    assert 0.5 < robust[off].median() < 1.5
    assert robust[0, 1] == robust[off].max() == pytest.approx(2)


@pytest.mark.parametrize("normalization", ["literal", "robust", "rank", "log1p", "mean_one"])
def test_equal_degrees_and_a_single_class_give_unit_weights(normalization: str) -> None:
    spec = WeightSpec(normalization)
    assert torch.equal(normalize_degree(torch.full((3, 3), 0.7), spec), torch.ones(3, 3))
    assert torch.equal(normalize_degree(torch.zeros(1, 1), spec), torch.ones(1, 1))


@pytest.mark.parametrize(
    ("options", "unmeasured"),
    [
        ({}, 1.0),
        ({"weight_floor": 0.3}, 1.1),
        ({"unmeasured_weight": 0.7}, 0.7),
        ({"unmeasured_weight": 0.0}, 0.0),
        ({"normalization": "mean_one"}, 1.0),
    ],
)
def test_unmeasured_classes_stay_out_of_the_range(
    options: dict[str, Any], unmeasured: float
) -> None:
    spec = WeightSpec(**options)
    degree = torch.zeros(4, 4)
    degree[:3, :3] = DEGREE
    weights = normalize_degree(degree, spec, valid=torch.tensor([True, True, True, False]))
    torch.testing.assert_close(weights[:3, :3], normalize_degree(DEGREE, spec))
    assert weights[3, :3].tolist() == pytest.approx([unmeasured] * 3)
    assert weights[:3, 3].tolist() == pytest.approx([unmeasured] * 3)
    assert weights[3, 3] == 1


def test_degrees_of_zero_may_stand_for_unmeasured_ones() -> None:
    degree = torch.zeros(4, 4)
    degree[:3, :3] = DEGREE
    spec = WeightSpec(unmeasured_weight="zero_degree")
    weights = normalize_degree(degree, spec, valid=torch.tensor([True, True, True, False]))
    assert weights[0, 1].item() == pytest.approx(2 / 3)
    assert weights[3, :3].tolist() == [0, 0, 0]


def test_unmeasured_classes_do_not_move_the_mean() -> None:
    degree = torch.zeros(4, 4)
    degree[:3, :3] = DEGREE
    valid = torch.tensor([True, True, True, False])
    for spec in (WeightSpec(), WeightSpec(diagonal_weight="row_mean")):
        weights, alone = normalize_degree(degree, spec, valid=valid), normalize_degree(DEGREE, spec)
        assert flat_weights(weights)[0, 1].item() == pytest.approx(flat_weights(alone)[0, 1].item())
    assert weights[3, 3].item() == pytest.approx(1)


def test_without_two_measured_classes_every_weight_is_one() -> None:
    valid = torch.tensor([True, False, False])
    spec = WeightSpec(unmeasured_weight=0.2)
    assert torch.equal(normalize_degree(DEGREE, spec, valid=valid), torch.ones(3, 3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"normalization": "softmax"},
            "normalization: wanted one of literal, .*mean_one, got 'softmax'",
        ),
        ({"diagonal_weight": "mean"}, "diagonal_weight: wanted one of row_mean, got 'mean'"),
        ({"weight_range": -1.0}, "weight_range: wanted a finite number of at least 0, got -1.0"),
        ({"weight_range": float("inf")}, "weight_range: wanted a finite number .*, got inf"),
        # clips of one class would be pushed apart
        ({"diagonal_weight": -1.0}, "diagonal_weight: wanted a finite number .*, got -1.0"),
        ({"weight_floor": -0.1}, "weight_floor: wanted a finite number .*, got -0.1"),
        ({"unmeasured_weight": -1.0}, "unmeasured_weight: wanted a finite number .*, got -1.0"),
        ({"unmeasured_weight": "one"}, "wanted one of mean, zero_degree, got 'one'"),
    ],
)
def test_options_that_do_not_exist(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        WeightSpec(**options)


def test_flat_weights_keep_the_mean_and_the_diagonal() -> None:
    weights = torch.tensor([[9.0, 0, 2], [0, 8, 1], [2, 1, 7]])
    assert flat_weights(weights).tolist() == [[9, 1, 1], [1, 8, 1], [1, 1, 7]]


def test_static_weights() -> None:
    assert static_weights(2, 0.5).tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert torch.equal(static_weights(3), torch.ones(3, 3))


def test_statistics_leave_out_the_diagonal() -> None:
    weights = torch.tensor([[9.0, 0, 1], [0, 9, 2], [1, 2, 9]])
    found = weight_statistics(weights)
    assert found["weight_mean"] == 1
    assert found["weight_sd"] == pytest.approx(math.sqrt(2 / 3))
    assert (found["weight_p05"], found["weight_p50"], found["weight_p95"]) == (0, 1, 2)
    assert weight_statistics(torch.ones(1, 1)) == {}
