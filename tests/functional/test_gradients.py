"""Norms of the gradients of single losses, and the backward pass after them."""

from __future__ import annotations

import pytest
import torch

from diccae.functional.gradients import gradient_norms


def test_norms_by_hand() -> None:
    first, second = torch.ones(2, requires_grad=True), torch.ones(3, requires_grad=True)
    other = torch.ones(1, requires_grad=True)
    losses = {
        "both": 3 * first.sum() + 2 * second.sum(),
        "first": (first**2).sum() / 2,
        "zero": 0 * second.sum(),
        "neither": other.sum(),
        "constant": torch.tensor(1.0),
    }
    norms = gradient_norms(losses, [first, second])
    # (3, 3, 2, 2, 2), (1, 1), and a loss of weight 0, which depends on them all the same
    assert norms == pytest.approx({"both": 30**0.5, "first": 2**0.5, "zero": 0.0})


def test_the_backward_pass_is_the_same_afterwards() -> None:
    layer, inputs = torch.nn.Linear(5, 4), torch.randn(8, 5)

    def gradient(*, measured: bool) -> torch.Tensor:
        layer.zero_grad()
        outputs = layer(inputs).relu()
        losses = {"mean": outputs.mean(), "square": outputs.square().mean()}
        if measured:
            gradient_norms(losses, list(layer.parameters()))
            assert layer.weight.grad is None
        sum(losses.values()).backward()
        assert layer.weight.grad is not None
        return layer.weight.grad

    assert torch.equal(gradient(measured=True), gradient(measured=False))


def test_gradients_are_reduced_before_their_norm() -> None:
    parameter = torch.ones(4, requires_grad=True)

    def double(gradients: list[torch.Tensor]) -> None:
        gradients[0].mul_(2)

    assert gradient_norms({"sum": parameter.sum()}, [parameter], double) == {"sum": 4.0}
