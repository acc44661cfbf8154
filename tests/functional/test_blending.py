"""Weights of Gradient-Blending against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from diccae.functional.arguments import ArgumentError
from diccae.functional.blending import (
    EQUAL,
    FORMULA,
    LEAST_OVERFITTING,
    NO_GENERALISATION,
    Blend,
    blend_weights,
)


def blend(overfitting: list[float], generalisation: list[float], **options: float) -> Blend:
    """The weights of losses with these dO and dG, all of which start at 3."""
    start = torch.full((len(overfitting), 2), 3.0, dtype=torch.float64)
    held_out = start[:, 1] - torch.tensor(generalisation, dtype=torch.float64)
    training = held_out - torch.tensor(overfitting, dtype=torch.float64)
    return blend_weights(start, torch.stack([training, held_out], dim=1), **options)


def test_weights_are_generalisation_over_squared_overfitting() -> None:
    found = blend([0.5, 1.0, 2.0], [1.0, 2.0, 4.0])
    # 1 / 0.25, 2 / 1 and 4 / 4
    torch.testing.assert_close(found.weights, torch.tensor([4, 2, 1], dtype=torch.float64) / 7)
    torch.testing.assert_close(found.overfitting, torch.tensor([0.5, 1.0, 2.0]).double())
    torch.testing.assert_close(found.generalisation, torch.tensor([1.0, 2.0, 4.0]).double())
    assert found.rules.tolist() == [FORMULA] * 3
    # losses that start apart: dO is a change of the gap, not the gap
    start, end = torch.tensor([[2.0, 2.5], [1.0, 2.0]]), torch.tensor([[0.5, 1.5], [0.5, 1.75]])
    apart = blend_weights(start, end)
    assert apart.overfitting.tolist() == [0.5, 0.25]
    assert apart.generalisation.tolist() == [1.0, 0.25]
    torch.testing.assert_close(apart.weights, torch.tensor([0.5, 0.5]).double())


def test_a_common_factor_of_all_losses_changes_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    start, end = torch.rand(2, 5, 2, generator=generator, dtype=torch.float64) + 1
    reference = blend_weights(start, end)
    assert float(reference.weights.sum()) == pytest.approx(1, abs=1e-12)
    for factor in (1e-6, 7.0, 1e6):
        scaled = blend_weights(start * factor, end * factor)
        torch.testing.assert_close(scaled.weights, reference.weights)
        assert scaled.rules.tolist() == reference.rules.tolist()


def test_no_other_weights_have_a_smaller_expected_squared_ratio() -> None:
    overfitting, gain = torch.tensor([0.4, 1.0, 1.7]).double(), torch.tensor([0.3, 0.9, 1.1])
    found = blend(overfitting.tolist(), gain.tolist())

    def ratio(weights: Tensor) -> Tensor:
        # losses that overfit independently: variances add
        return (weights * overfitting).square().sum(-1) / (weights @ gain.double()).square()

    others = torch.distributions.Dirichlet(torch.ones(3).double()).sample((10_000,))
    assert ratio(found.weights) < ratio(others).min()


def test_overfitting_close_to_zero_is_bounded_and_reported() -> None:
    found = blend([1e-9, 0.5, 1.0], [1.0, 1.0, 1.0], least_overfitting=0.1)
    torch.testing.assert_close(found.weights, torch.tensor([100, 4, 1]).double() / 105)
    assert found.rules.tolist() == [LEAST_OVERFITTING, FORMULA, FORMULA]
    # nothing overfits: the weights are in proportion to dG
    none = blend([0.0, 0.0], [1.0, 3.0])
    assert none.weights.tolist() == [0.25, 0.75]
    assert none.rules.tolist() == [LEAST_OVERFITTING] * 2
    # a gap that shrinks counts by its size
    assert blend([-1.0, 1.0], [1.0, 1.0]).weights.tolist() == [0.5, 0.5]


def test_a_loss_that_does_not_generalise_gets_no_weight_and_is_reported() -> None:
    found = blend([1.0, 1.0, 2.0], [2.0, -0.5, 4.0])
    torch.testing.assert_close(found.weights, torch.tensor([2 / 3, 0, 1 / 3]).double())
    assert found.rules.tolist() == [FORMULA, NO_GENERALISATION, FORMULA]
    none = blend([1.0, 2.0], [-1.0, 0.0])
    assert none.weights.tolist() == [0.5, 0.5]
    assert none.rules.tolist() == [EQUAL] * 2


def test_a_regression_that_overfits_more_weighs_less() -> None:
    # least squares with p features of n clips: the mean squared error is s^2 (1 - p / n) on the
    # training clips and s^2 (1 + p / (n - p - 1)) on others; features beyond the first are noise
    generator, clips, features, draws = np.random.default_rng(0), 100, (10, 20, 40), 500
    losses = np.zeros((2, len(features), 2))
    losses[0] = 10  # of a regression that predicts 0
    for _ in range(draws):
        inputs = generator.normal(size=(2, clips, max(features)))
        target = 3 * inputs[..., 0] + generator.normal(size=(2, clips))
        for index, size in enumerate(features):
            fit, *_ = np.linalg.lstsq(inputs[0, :, :size], target[0], rcond=None)
            for part in range(2):
                error = target[part] - inputs[part, :, :size] @ fit
                losses[1, index, part] += np.mean(error**2) / draws
    found = blend_weights(*map(torch.from_numpy, losses), least_overfitting=1e-6)
    sizes = np.array(features)
    held_out = 1 + sizes / (clips - sizes - 1)
    gap = held_out - (1 - sizes / clips)
    expected = (10 - held_out) / gap**2
    np.testing.assert_allclose(found.weights.numpy(), expected / expected.sum(), rtol=0.2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(least_overfitting=0.0), "least_overfitting: wanted a share above 0"),
        (dict(end=torch.ones(3, 2)), r"end: wanted shape \(K, 2\), got \(3, 2\)"),
        (dict(start=torch.full((2, 2), torch.nan)), "start: a loss is NaN or infinite"),
    ],
)
def test_arguments_that_cannot_be_used(change: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {"start": torch.ones(2, 2), "end": torch.zeros(2, 2)} | change
    with pytest.raises(ArgumentError, match=message):
        blend_weights(**arguments)
