"""The supervised contrastive loss against closed forms and a slow reference in plain Python."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from diccae.functional.arguments import ArgumentError
from diccae.functional.supervised_contrast import supervised_contrast

LABELS = torch.tensor([0, 0, 1, 2, 1, -1, 0])


def points(seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(7, 4, generator=generator, dtype=torch.float64)


def slow_loss(features: Tensor, labels: list[int], temperature: float) -> float:
    """Eq. 2 of Khosla et al. (2020), anchor by anchor, as a mean."""
    unit = [[x / math.hypot(*row) for x in row] for row in features.tolist()]

    def score(i: int, j: int) -> float:
        return math.exp(sum(a * b for a, b in zip(unit[i], unit[j], strict=True)) / temperature)

    known = [i for i in range(len(labels)) if labels[i] >= 0]
    losses = []
    for i in known:
        others = [a for a in known if a != i]
        positives = [p for p in others if labels[p] == labels[i]]
        if positives:
            total = sum(score(i, a) for a in others)
            losses.append(-sum(math.log(score(i, p) / total) for p in positives) / len(positives))
    return sum(losses) / len(losses)


def test_the_loss_equals_the_slow_reference() -> None:
    # the clip of class 2 is no anchor, and the one without a class is nothing at all
    wanted = slow_loss(points(), LABELS.tolist(), 0.3)
    assert supervised_contrast(points(), LABELS, 0.3).item() == pytest.approx(wanted, rel=1e-12)
    assert supervised_contrast(5 * points(), LABELS, 0.3).item() == pytest.approx(wanted, rel=1e-12)


def test_closed_forms() -> None:
    # equal features: every other clip is as likely as any positive
    equal = torch.ones(6, 3, dtype=torch.float64)
    for labels in ([0, 0, 0, 0, 0, 0], [0, 0, 1, 1, 2, 2], [0, 0, 1, 2, 3, 4]):
        loss = supervised_contrast(equal, torch.tensor(labels), 0.1)
        assert loss.item() == pytest.approx(math.log(5))
    # two classes in opposite directions: two positives at 1, three others at -1
    axis = torch.tensor([1.0, 1, 1, -1, -1, -1], dtype=torch.float64)[:, None]
    loss = supervised_contrast(axis, torch.tensor([0, 0, 0, 1, 1, 1]), 0.5)
    assert loss.item() == pytest.approx(math.log(2 + 3 * math.exp(-4)))


def test_without_a_positive_the_loss_is_zero_and_has_gradients() -> None:
    for labels in ([0, 1, 2, 3, 4, 5, 6], [-1] * 7, [0, -1, -1, -1, -1, -1, -1]):
        features = points().requires_grad_()
        loss = supervised_contrast(features, torch.tensor(labels), 0.1)
        loss.backward()
        assert loss.item() == 0
        assert features.grad is not None
        assert features.grad.eq(0).all()


def test_arguments() -> None:
    with pytest.raises(ArgumentError, match="temperature: wanted a number above 0, got 0.0"):
        supervised_contrast(points(), LABELS, 0)
    with pytest.raises(ArgumentError, match="labels: wanted 7 as in the features, got 6"):
        supervised_contrast(points(), LABELS[:6], 0.1)
