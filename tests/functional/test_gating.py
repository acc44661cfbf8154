"""Two predictions combined by a gate."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from diccae.functional.arguments import ArgumentError
from diccae.functional.gating import OUTPUTS, gated_logits


@pytest.fixture
def tables() -> tuple[Tensor, Tensor]:
    return tuple(torch.randn(2, 4, 3, dtype=torch.float64))


def test_a_gate_of_one_half_is_the_average(tables: tuple[Tensor, Tensor]) -> None:
    first, second = tables
    gate = torch.zeros(4, 1, dtype=torch.float64)
    mixture = gated_logits(first, second, gate).softmax(1)
    torch.testing.assert_close(mixture, (first.softmax(1) + second.softmax(1)) / 2)
    torch.testing.assert_close(gated_logits(first, second, gate, "logits"), (first + second) / 2)


@pytest.mark.parametrize("outputs", OUTPUTS)
def test_a_gate_of_one_or_zero_is_one_model(tables: tuple[Tensor, Tensor], outputs: str) -> None:
    first, second = tables
    for sign, chosen in ((1, first), (-1, second)):
        gate = torch.full((4, 1), sign * math.inf, dtype=torch.float64)
        found = gated_logits(first, second, gate, outputs)
        torch.testing.assert_close(found.softmax(1), chosen.softmax(1))


def test_any_gate_in_words_of_probabilities(tables: tuple[Tensor, Tensor]) -> None:
    first, second = tables
    gate = torch.randn(4, 3, dtype=torch.float64)
    share = gate.sigmoid()
    one = share[:, :1] * first.softmax(1) + (1 - share[:, :1]) * second.softmax(1)
    torch.testing.assert_close(gated_logits(first, second, gate[:, :1]).exp(), one)
    each = share * first.softmax(1) + (1 - share) * second.softmax(1)
    found = gated_logits(first, second, gate).softmax(1)
    torch.testing.assert_close(found, each / each.sum(1, keepdim=True))


@pytest.mark.parametrize("outputs", OUTPUTS)
@pytest.mark.parametrize("gates", [1, 3])
def test_gradients(tables: tuple[Tensor, Tensor], outputs: str, gates: int) -> None:
    inputs = [table.requires_grad_() for table in (*tables, torch.randn(4, gates).double())]
    assert gradcheck(lambda *values: gated_logits(*values, outputs), inputs)


def test_arguments_that_cannot_be_used(tables: tuple[Tensor, Tensor]) -> None:
    first, second = tables
    with pytest.raises(ArgumentError, match="outputs: wanted one of probabilities, logits"):
        gated_logits(first, second, torch.zeros(4, 1), "scores")
    with pytest.raises(ArgumentError, match=r"gate: wanted shape \(4, 1\) or \(4, 3\)"):
        gated_logits(first, second, torch.zeros(4, 2))
    with pytest.raises(ArgumentError, match="second: wanted two tables of one shape"):
        gated_logits(first, second[:, :2], torch.zeros(4, 1))
