"""The losses in half precision and under autocast, against float64 and closed forms, and rows of
zeros in every type."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from diccae.functional.similarity import cosine_matrix
from diccae.models.losses import ConfusionLoss, InfoNCELoss, SupConLoss, confusion_loss

SIMILARITIES = ["sigmoid_cosine", "half_cosine", "rbf", "mlp"]
HALF = [torch.float16, torch.bfloat16]
LABELS = torch.arange(12) % 4


def points(kind: torch.dtype, seed: int = 0, rows: int = 12) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 6, generator=generator).to(kind)


def confusion(kind: torch.dtype, **options: Any) -> ConfusionLoss:
    torch.manual_seed(0)
    return ConfusionLoss(4, feature_dim=6, **options).to(kind)


def gradient(loss: Tensor, features: Tensor) -> Tensor:
    loss.backward()
    assert features.grad is not None
    return features.grad


@pytest.mark.parametrize("kind", HALF)
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_a_half_loss_is_that_of_float64(similarity: str, kind: torch.dtype) -> None:
    module = confusion(kind, similarity=similarity)
    half = points(kind).requires_grad_()
    loss = module(half, LABELS)
    full = half.detach().double().requires_grad_()
    wanted = module.double()(full, LABELS)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    got = gradient(loss, half)
    assert got.dtype == kind
    limit = float(gradient(wanted, full).abs().max()) * torch.finfo(kind).eps
    assert torch.allclose(got.double(), full.grad, rtol=0, atol=limit)


@pytest.mark.parametrize("kind", HALF)
def test_info_nce_in_half_is_that_of_float64(kind: torch.dtype) -> None:
    first, second = points(kind), points(kind, 1)
    loss = InfoNCELoss()(first, second)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(
        InfoNCELoss()(first.double(), second.double()).item(), rel=1e-5
    )


@pytest.mark.parametrize("kind", HALF)
def test_the_supervised_contrastive_loss_in_half_is_that_of_float64(kind: torch.dtype) -> None:
    half = points(kind)
    # equal rows have the largest logits, and a row of zeros has no direction
    half[4], half[3] = half[0], 0
    half.requires_grad_()
    full = half.detach().double().requires_grad_()
    loss, wanted = SupConLoss()(half, LABELS), SupConLoss()(full, LABELS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(SupConLoss()(half, LABELS), loss)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    got, exact = gradient(loss, half), gradient(wanted, full)
    assert got[3].eq(0).all()
    rows = torch.arange(12) != 3
    limit = float(exact[rows].abs().max()) * torch.finfo(kind).eps
    assert torch.allclose(got.double()[rows], exact[rows], rtol=0, atol=limit)


@pytest.mark.parametrize("kind", [*HALF, torch.float32, torch.float64])
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_a_row_of_zeros_has_no_large_gradient(similarity: str, kind: torch.dtype) -> None:
    module = confusion(kind, similarity=similarity)
    features = points(kind)
    features[3] = 0
    features.requires_grad_()
    loss = module(features, LABELS) + InfoNCELoss()(features, features.flip(0))
    assert math.isfinite(loss.item())
    assert gradient(loss, features).abs().max() < 100
    assert all(torch.isfinite(value.grad).all() for value in module.parameters())
    # of a distance, zero is a point like any other
    assert bool(features.grad[3].any()) == (similarity in ("rbf", "mlp"))


@pytest.mark.parametrize(
    ("reduction", "rows"), [("balanced", 4096), ("plain_mean", 512), ("sum", 512)]
)
def test_a_large_batch_in_float16(reduction: str, rows: int) -> None:
    features = torch.ones(rows, 2, dtype=torch.float16, requires_grad=True)
    labels = torch.arange(rows) % 2
    loss = ConfusionLoss(2, reduction=reduction).half()(features, labels)
    # the cosine is 1, the scale 5 and the bias -2.5 for every pair
    same, other = math.log1p(math.exp(-2.5)), math.log1p(math.exp(2.5))
    pairs = {"same": rows * (rows // 2 - 1) / 2, "other": rows * rows / 4}
    total = pairs["same"] * same + pairs["other"] * other
    wanted = {
        "balanced": (same + other) / 2,
        "plain_mean": total / sum(pairs.values()),
        "sum": total,
    }[reduction]
    assert loss.item() == pytest.approx(wanted, rel=1e-4)
    assert torch.isfinite(gradient(loss, features)).all()
    with torch.no_grad():
        assert InfoNCELoss()(features, features).item() == pytest.approx(math.log(rows), rel=1e-5)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_autocast_changes_nothing(similarity: str) -> None:
    module, features = confusion(torch.float32, similarity=similarity), points(torch.float32)
    plain = module(features, LABELS), InfoNCELoss()(features, features.flip(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = module(features, LABELS), InfoNCELoss()(features, features.flip(0))
        assert cosine_matrix(features, features).dtype == torch.float32
    assert all(map(torch.equal, plain, inside))


@pytest.mark.parametrize("similarity", ["rbf", "mlp"])
def test_blocks_of_rows_change_no_value(similarity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = confusion(torch.float64, similarity=similarity)
    whole, blocks = (points(torch.float64).requires_grad_() for _ in range(2))
    wanted = module(whole, LABELS)
    monkeypatch.setattr(confusion_loss, "BLOCK", 5 * 12 * 6)
    loss = module(blocks, LABELS)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-12)
    assert torch.allclose(gradient(loss, blocks), gradient(wanted, whole), rtol=1e-12)
