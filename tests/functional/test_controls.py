"""Controls of the dynamic weights, against hand values and loops over pairs."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from torch import Tensor

from diccae.functional.arguments import ArgumentError
from diccae.functional.controls import (
    controlled_weights,
    inverted_weights,
    known_degree,
    label_mix,
    shuffled_weights,
)

WEIGHTS = torch.tensor([[7.0, 0, 2, 1], [0, 8, 0.5, 1.5], [2, 0.5, 9, 0.25], [1, 1.5, 0.25, 6]])


def distinct(classes: int) -> Tensor:
    """(C, C) symmetric weights of which no two pairs have the same, with another diagonal."""
    weights = torch.zeros(classes, classes)
    for number, (one, other) in enumerate(combinations(range(classes), 2)):
        weights[one, other] = weights[other, one] = number
    return weights - torch.diag(torch.arange(1.0, classes + 1))


def upper(weights: Tensor) -> Tensor:
    rows, columns = torch.triu_indices(len(weights), len(weights), offset=1)
    return weights[rows, columns]


def control(weights: Tensor, name: str, seed: int = 0) -> Tensor:
    return controlled_weights(weights, name, weight_range=2.0, seed=[seed, 1])


def test_shuffled_by_hand() -> None:
    shuffled = shuffled_weights(WEIGHTS, torch.tensor([1, 2, 3, 0]))
    # pair 0, 1 has the weight of 1, 2, and so on round the four classes
    wanted = [[7.0, 0.5, 1.5, 0], [0.5, 8, 0.25, 2], [1.5, 0.25, 9, 1], [0, 2, 1, 6]]
    assert shuffled.tolist() == wanted


@pytest.mark.parametrize("classes", [3, 4, 5, 24])
def test_every_pair_has_the_weight_of_another_pair(classes: int) -> None:
    weights = distinct(classes)
    for seed in range(20):
        shuffled = control(weights, "shuffled", seed)
        assert torch.equal(shuffled, shuffled.T)
        assert (upper(shuffled) != upper(weights)).all()
        # the same weights, so that mean and spread stay
        assert torch.equal(upper(shuffled).sort().values, upper(weights).sort().values)
        assert torch.equal(shuffled.diagonal(), weights.diagonal())


def test_the_seed_alone_decides_the_permutation() -> None:
    weights = distinct(12)
    first = control(weights, "shuffled", 3)
    np.random.seed(5)
    torch.manual_seed(5)
    states = str(np.random.get_state()), torch.get_rng_state()
    assert torch.equal(control(weights, "shuffled", 3), first)
    assert str(np.random.get_state()) == states[0]
    assert torch.equal(torch.get_rng_state(), states[1])
    assert not torch.equal(control(weights, "shuffled", 4), first)
    # other weights of the same classes change places in the same way
    assert torch.equal(control(3 * weights, "shuffled", 3), 3 * first)


def test_two_classes_cannot_be_shuffled() -> None:
    with pytest.raises(ValueError, match="wanted at least 3, got 2"):
        control(torch.ones(2, 2), "shuffled")


def test_inverted_by_hand() -> None:
    inverted = control(WEIGHTS, "inverted")
    wanted = [[7.0, 2, 0, 1], [2, 8, 1.5, 0.5], [0, 1.5, 9, 1.75], [1, 0.5, 1.75, 6]]
    assert inverted.tolist() == wanted
    assert torch.equal(inverted_weights(inverted, 2.0), WEIGHTS)


def test_flat_mean_and_an_unknown_control() -> None:
    assert upper(control(WEIGHTS, "flat_mean")).tolist() == [pytest.approx(5.25 / 6)] * 6
    with pytest.raises(ArgumentError, match="weighting: wanted one of .*, got 'dynamic'"):
        control(WEIGHTS, "dynamic")


def test_the_mix_of_a_cluster_is_the_share_of_each_class() -> None:
    labels, classes = torch.tensor([0, 0, 0, 2, -1]), torch.tensor([1, 1, 0, 2, 2])
    # no clip is in cluster 1
    wanted = torch.tensor([[1 / 3, 2 / 3, 0], [0, 0, 0], [0, 0, 1]], dtype=torch.float64)
    torch.testing.assert_close(label_mix(labels, classes, 3, 3), wanted)
    with pytest.raises(ArgumentError, match="labels: wanted 0 to 1 for 2 classes.*got 2"):
        label_mix(labels, classes, 2, 3)
    with pytest.raises(ArgumentError, match="classes: wanted 5, one a label, got 4"):
        label_mix(labels, classes[1:], 3, 3)


CONFUSION = torch.tensor([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.0, 0.1, 0.9]], dtype=torch.float64)


def test_the_degree_of_classes_is_the_mean_of_both_confusions() -> None:
    degree = known_degree(CONFUSION, torch.eye(3, dtype=torch.float64))
    wanted = [[0.0, 0.25, 0.05], [0.25, 0.0, 0.1], [0.05, 0.1, 0.0]]
    torch.testing.assert_close(degree, torch.tensor(wanted, dtype=torch.float64))


def test_the_degree_of_clusters_equals_a_slow_sum() -> None:
    mix = torch.tensor([[1, 0, 0], [0.9, 0.1, 0], [0.2, 0.5, 0.3], [0, 0, 0]], dtype=torch.float64)
    degree = known_degree(CONFUSION, mix)
    assert torch.equal(degree, degree.T)
    for k, l in combinations(range(4), 2):  # noqa: E741
        total = 0.0
        for i in range(3):
            for j in range(3):
                both = (float(CONFUSION[i, j]) + float(CONFUSION[j, i])) / 2
                total += float(mix[k, i]) * float(mix[l, j]) * both
        assert float(degree[k, l]) == pytest.approx(total)
    # two clusters of the first class are confused as often as it is recognised
    assert float(degree[0, 1]) == pytest.approx(0.9 * 0.7 + 0.1 * 0.25)
    assert degree[3].tolist() == [0, 0, 0, 0]
    assert degree.diagonal().tolist() == [0, 0, 0, 0]


def test_a_mix_of_other_classes_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"mix: wanted shape \(K, 3\), got \(2, 4\)"):
        known_degree(CONFUSION, torch.ones(2, 4, dtype=torch.float64))
