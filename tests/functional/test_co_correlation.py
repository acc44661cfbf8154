"""Co-correlation and fusion by attention: closed forms, slow references, gradients."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from diccae.functional.arguments import ArgumentError
from diccae.functional.co_correlation import affinity, alignment_loss, attention_fusion
from diccae.models.losses.co_correlation_loss import CoCorrelationLoss


def maps(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def test_rows_of_the_affinity_sum_to_one_and_equal_the_slow_reference() -> None:
    first, second, weight = maps(2, 3, 4), maps(2, 5, 6), maps(4, 6)
    shares = affinity(first, second, weight)
    torch.testing.assert_close(shares.sum(-1), torch.ones(2, 3, dtype=torch.float64))
    row = torch.stack([first[1, 2] @ weight @ second[1, j] / 6**0.5 for j in range(5)]).exp()
    torch.testing.assert_close(shares[1, 2], row / row.sum())


def test_a_constant_affinity_reconstructs_the_mean_feature() -> None:
    second = maps(2, 5, 4)
    shares = affinity(maps(2, 3, 4), second, torch.zeros(4, 4, dtype=torch.float64))
    mean = second.mean(1, keepdim=True).expand(2, 3, 4)
    torch.testing.assert_close(shares @ second, mean)


@pytest.mark.parametrize("level", ["locations", "pooled"])
def test_perfect_alignment_has_no_loss_and_opposite_features_the_largest(level: str) -> None:
    identity = torch.eye(4, dtype=torch.float64)
    # each location finds its own among orthogonal ones
    first = (100 * identity)[None]
    torch.testing.assert_close(
        alignment_loss(first, first[:, [2, 0, 1, 3]], identity, level),
        torch.zeros((), dtype=torch.float64),
    )
    # the sizes of the modalities may differ
    wide_first, second = torch.ones(2, 3, 4), torch.ones(2, 5, 6)
    assert float(alignment_loss(wide_first, second, torch.ones(4, 6), level)) < 1e-6
    opposite = alignment_loss(wide_first, -second, torch.ones(4, 6), level)
    assert float(opposite) == pytest.approx(2)


def test_the_alignment_loss_equals_a_slow_reference() -> None:
    first, second, weight = maps(2, 3, 4), maps(2, 5, 6), maps(4, 6)
    cosines: list[list[torch.Tensor]] = [[], []]
    for clip in range(2):
        for direction, (own, other, bridge) in enumerate(
            [(first[clip], second[clip], weight), (second[clip], first[clip], weight.T)]
        ):
            for row in own:
                scores = torch.stack([row @ bridge @ col for col in other])
                shares = (scores / len(other[0]) ** 0.5).softmax(0)
                rebuilt = sum(share * col for share, col in zip(shares, other, strict=True))
                cosines[direction].append(F.cosine_similarity(row @ bridge, rebuilt, dim=0))
    wanted = sum(1 - torch.stack(each).mean() for each in cosines) / 2
    torch.testing.assert_close(alignment_loss(first, second, weight), wanted)


@pytest.mark.parametrize("level", ["locations", "pooled"])
def test_gradients_of_the_alignment_loss(level: str) -> None:
    first, second, weight = maps(2, 3, 4), maps(2, 2, 5), maps(4, 5)
    assert torch.autograd.gradcheck(
        lambda a, b, w: alignment_loss(a, b, w, level), inputs=(first, second, weight)
    )


def test_locations_of_zeros_have_cosine_zero_and_no_gradient() -> None:
    first = torch.zeros(1, 2, 3, requires_grad=True)
    loss = alignment_loss(first, torch.ones(1, 4, 3), torch.eye(3))
    loss.backward()
    assert loss.item() == 1
    assert torch.equal(first.grad, torch.zeros(1, 2, 3))


def test_bad_arguments_of_the_alignment() -> None:
    with pytest.raises(ArgumentError, match=r"weight: wanted shape \(3, 4\), got \(4, 3\)"):
        affinity(torch.ones(1, 2, 3), torch.ones(1, 2, 4), torch.ones(4, 3))
    with pytest.raises(ArgumentError, match="level: wanted one of locations, pooled, got 'maps'"):
        CoCorrelationLoss(3, 3, level="maps")


def test_weights_of_the_modalities_sum_to_one() -> None:
    # the fused feature of equal features is this feature, whatever their scores
    feature = maps(3, 1, 4).expand(3, 2, 4)
    torch.testing.assert_close(attention_fusion(feature, 10 * maps(3, 2)), feature[:, 0])
    picked = attention_fusion(
        torch.stack([torch.zeros(2, 4), torch.ones(2, 4)], 1), torch.tensor([[0.0, 200.0]] * 2)
    )
    assert torch.equal(picked, torch.ones(2, 4))


def test_gradients_of_the_fusion() -> None:
    assert torch.autograd.gradcheck(attention_fusion, (maps(2, 2, 3), maps(2, 2)))
