"""Pair losses and InfoNCE against closed forms and slow references in plain Python."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from diccae.functional.arguments import ArgumentError
from diccae.functional.contrastive import (
    confusion_loss,
    info_nce,
    own_loss_weights,
    weighted_confusion_loss,
)
from diccae.functional.similarity import (
    cosine_matrix,
    half_cosine_logits,
    mlp_pair_features,
    rbf_logits,
    sigmoid_cosine_logits,
)


def points(rows: int = 6, width: int = 4, seed: int = 0) -> Tensor:
    return torch.randn(
        rows, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


LABELS = [0, 0, 1, 2, 1, -1]
WEIGHTS = torch.tensor([[1.0, 0.5, 2.0], [0.5, 1.0, 0.0], [2.0, 0.0, 1.0]], dtype=torch.float64)


def slow_pair_loss(logits: Tensor, weights: Tensor | None, reduction: str) -> float:
    """Eq. 1 and 4: -[y log F + (1 - y) log(1 - F)] for each i < j, times the weight of the pair of
    classes."""
    positive, negative = [], []
    for i in range(len(LABELS)):
        for j in range(i + 1, len(LABELS)):
            if LABELS[i] < 0 or LABELS[j] < 0:
                continue
            probability = 1 / (1 + math.exp(-logits[i, j].item()))
            weight = 1.0 if weights is None else weights[LABELS[i], LABELS[j]].item()
            if LABELS[i] == LABELS[j]:
                positive.append(-weight * math.log(probability))
            else:
                negative.append(-weight * math.log(1 - probability))
    if reduction == "sum":
        return sum(positive + negative)
    if reduction == "plain_mean":
        return sum(positive + negative) / len(positive + negative)
    return (sum(positive) / len(positive) + sum(negative) / len(negative)) / 2


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("reduction", ["balanced", "plain_mean", "sum"])
def test_pair_loss_equals_the_slow_reference(weights: Tensor | None, reduction: str) -> None:
    logits, labels = 3 * cosine_matrix(points(), points()), torch.tensor(LABELS)
    got = weighted_confusion_loss(
        logits,
        labels,
        labels,
        weights=weights,
        mask=torch.ones(6, 6, dtype=torch.bool).triu(1),
        reduction=reduction,
    )
    assert got.item() == pytest.approx(slow_pair_loss(logits, weights, reduction), rel=1e-12)


def test_pairs_weighted_by_their_own_loss() -> None:
    labels, mask = torch.tensor(LABELS), torch.ones(6, 6, dtype=torch.bool).triu(1)
    logits = (3 * cosine_matrix(points(), points())).requires_grad_()
    taken = mask & (labels >= 0)[:, None] & (labels >= 0)[None]
    same = labels[:, None] == labels[None]
    losses = confusion_loss(logits, same)
    weights = own_loss_weights(losses, (taken & same, taken & ~same))
    assert not weights.requires_grad
    wanted = []
    for kind in (taken & same, taken & ~same):
        assert weights[kind].mean().item() == pytest.approx(1)
        assert torch.allclose(weights[kind] * losses[kind].mean(), losses[kind])
        # the mean square over the mean
        wanted.append((losses[kind].square().mean() / losses[kind].mean()).item())
    assert weights[~taken].eq(1).all()

    def loss(**options: bool) -> Tensor:
        return weighted_confusion_loss(logits, labels, labels, mask=mask, **options)

    own = loss(by_own_loss=True)
    assert own.item() == pytest.approx(sum(wanted) / 2)
    own.backward()
    assert logits.grad is not None
    own_gradient = logits.grad.clone()
    logits.grad = None
    loss().backward()
    assert torch.allclose(own_gradient, weights * logits.grad)


def test_pairs_without_a_loss_have_weight_one() -> None:
    logits = torch.full((2, 2), 800.0, requires_grad=True)
    pair = torch.ones(2, 2, dtype=torch.bool).triu(1)
    losses = confusion_loss(logits, pair)
    assert own_loss_weights(losses, (pair, ~pair))[0, 1].item() == 1
    labels = torch.zeros(2).long()
    loss = weighted_confusion_loss(logits, labels, labels, mask=pair, by_own_loss=True)
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_an_undecided_scorer_costs_log_two_however_many_negatives_there_are() -> None:
    labels = torch.tensor([0, 0, 1, 2, 3, 4, 5])
    mask = torch.ones(7, 7, dtype=torch.bool).triu(1)
    assert weighted_confusion_loss(
        torch.zeros(7, 7), labels, labels, mask=mask
    ).item() == pytest.approx(math.log(2))
    assert weighted_confusion_loss(
        torch.zeros(7, 7), labels, labels, mask=mask, reduction="sum"
    ).item() == pytest.approx(21 * math.log(2))


@pytest.mark.parametrize("labels", [[0, 1, 2], [1, 1, 1], [-1, -1, -1], [0, -1, -1]])
@pytest.mark.parametrize("reduction", ["balanced", "plain_mean", "sum"])
def test_a_batch_without_one_kind_of_pair_stays_finite(labels: list[int], reduction: str) -> None:
    logits, classes = torch.zeros(3, 3, requires_grad=True), torch.tensor(labels)
    mask = torch.ones(3, 3, dtype=torch.bool).triu(1)
    loss = weighted_confusion_loss(logits, classes, classes, mask=mask, reduction=reduction)
    loss.backward()
    pairs = 3 if min(labels) >= 0 else 0
    share = {"balanced": 0.5 if pairs else 0, "plain_mean": 1 if pairs else 0, "sum": pairs}[
        reduction
    ]
    assert loss.item() == pytest.approx(share * math.log(2))
    assert torch.isfinite(logits.grad).all()
    assert logits.grad.tril().eq(0).all()


def test_extreme_logits_stay_finite() -> None:
    logits = torch.tensor([[0.0, 400.0], [0.0, 0.0]], requires_grad=True)
    classes, mask = torch.tensor([0, 1]), torch.tensor([[False, True], [False, False]])
    loss = weighted_confusion_loss(logits, classes, classes, mask=mask, reduction="sum")
    loss.backward()
    assert loss.item() == pytest.approx(400)
    assert logits.grad[0, 1].item() == pytest.approx(1)


def test_an_unknown_reduction() -> None:
    with pytest.raises(
        ArgumentError, match="reduction: wanted one of balanced, plain_mean, sum, got 'max'"
    ):
        weighted_confusion_loss(
            torch.zeros(2, 2), torch.zeros(2).long(), torch.zeros(2).long(), reduction="max"
        )


def test_half_cosine_by_angles_on_a_plane() -> None:
    angle = torch.tensor([0.0, math.pi / 3, math.pi / 2, math.pi], dtype=torch.float64)
    plane = torch.stack([angle.cos(), angle.sin()], dim=1)
    probability = half_cosine_logits(plane[:1], 5 * plane).sigmoid()[0]
    assert probability.tolist() == pytest.approx([1, 0.75, 0.5, 0], abs=2e-6)
    half = torch.tensor([[1.0], [-1.0]], dtype=torch.float16)
    assert torch.isfinite(half_cosine_logits(half, half)).all()
    assert half_cosine_logits(half, half).dtype == torch.float32


def test_eq_1_of_each_pair() -> None:
    probability = torch.tensor([[0.9, 0.2]], dtype=torch.float64)
    loss = confusion_loss(probability.logit(), torch.tensor([[True, False]]))
    assert loss[0].tolist() == pytest.approx([-math.log(0.9), -math.log(0.8)])


def test_sigmoid_cosine_by_angles_on_a_plane() -> None:
    angle = torch.tensor([0.0, math.pi / 3, math.pi], dtype=torch.float64)
    plane = torch.stack([angle.cos(), angle.sin()], dim=1)
    logits = sigmoid_cosine_logits(3 * plane[:1], plane, scale=4.0, bias=-1.0)
    assert logits[0].tolist() == pytest.approx([3, 1, -5])


def test_what_the_scorer_of_pairs_sees() -> None:
    first, second = torch.tensor([[1.0, -2.0]]), torch.tensor([[3.0, 4.0], [1.0, -2.0]])
    assert mlp_pair_features(first, second).tolist() == [[[2, 6, 3, -8], [0, 0, 1, 4]]]
    assert torch.equal(
        mlp_pair_features(first, second), mlp_pair_features(second, first).transpose(0, 1)
    )


def test_rbf_probability_and_gradient_far_away() -> None:
    near = rbf_logits(
        torch.zeros(1, 2, dtype=torch.float64), torch.tensor([[1.0, 1.0]], dtype=torch.float64), 2.0
    )
    assert near.sigmoid().item() == pytest.approx(math.exp(-2 / 8))
    far = torch.tensor([[30.0, 40.0]], dtype=torch.float64, requires_grad=True)
    logit = rbf_logits(torch.zeros(1, 2, dtype=torch.float64), far, 1.0)
    logit.sum().backward()
    assert logit.item() == pytest.approx(-1250)
    assert far.grad[0].tolist() == pytest.approx([-30, -40])
    assert torch.isfinite(rbf_logits(torch.ones(2, 2), torch.ones(2, 2), 1.0)).all()


def slow_info_nce(first: Tensor, second: Tensor, temperature: float) -> float:
    total = 0.0
    for i in range(len(first)):
        scores = []
        for j in range(len(second)):
            dot = sum(a * b for a, b in zip(first[i].tolist(), second[j].tolist(), strict=True))
            scores.append(
                math.exp(
                    dot
                    / math.hypot(*first[i].tolist())
                    / math.hypot(*second[j].tolist())
                    / temperature
                )
            )
        total -= math.log(scores[i] / sum(scores))
    return total / len(first)


def test_info_nce_equals_the_slow_reference() -> None:
    first, second = points(seed=1), points(seed=2)
    forward, backward = slow_info_nce(first, second, 0.3), slow_info_nce(second, first, 0.3)
    assert forward != pytest.approx(backward)
    assert info_nce(first, second, 0.3, one_way=True).item() == pytest.approx(forward, rel=1e-12)
    assert info_nce(first, second, 0.3).item() == pytest.approx((forward + backward) / 2, rel=1e-12)


def test_info_nce_closed_forms() -> None:
    basis = torch.eye(4, dtype=torch.float64)
    assert info_nce(basis, 3 * basis, 1.0).item() == pytest.approx(math.log(1 + 3 / math.e))
    assert info_nce(torch.ones(5, 3), torch.ones(5, 3), 0.07).item() == pytest.approx(math.log(5))
