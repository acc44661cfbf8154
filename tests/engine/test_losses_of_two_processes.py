"""Losses and gradients of two processes against one process with the joint batch."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch import distributed as dist

from diccae.models.losses import ConfusionLoss, InfoNCELoss
from tests.engine.processes import RANKS, on_two_processes, start

CLASSES, CLIPS, WIDTH = 4, 12, 6
CASES = [
    *itertools.product(("sigmoid_cosine", "half_cosine", "rbf", "mlp"), ("fused",), ("balanced",)),
    *itertools.product(
        ("sigmoid_cosine",), ("intra_modal", "cross_modal"), ("balanced", "plain_mean", "sum")
    ),
]


def joint_batch() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Two features a clip, labels (some clips have none) and weights of the pairs of classes, in
    float64."""
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, CLIPS, WIDTH, generator=generator, dtype=torch.float64)
    labels = torch.randint(-1, CLASSES, (CLIPS,), generator=generator)
    return (
        first,
        second,
        labels,
        torch.rand(CLASSES, CLASSES, generator=generator, dtype=torch.float64),
    )


def values_and_gradients(rows: slice) -> dict[str, dict[str, Tensor]]:
    """Case -> loss, gradients of both features and of the parameters, for these rows of the joint
    batch."""
    results = {}
    for similarity, pairs, reduction in CASES:
        first, second, labels, weights = joint_batch()
        first, second = first[rows].requires_grad_(), second[rows].requires_grad_()
        torch.manual_seed(0)
        confusion = ConfusionLoss(CLASSES, similarity, pairs, reduction, feature_dim=WIDTH).double()
        contrast = InfoNCELoss(0.2, "one_way" if reduction == "sum" else "cross_modal")
        loss = confusion(first, labels[rows], weights, second) + contrast(first, second)
        loss.backward()
        results[f"{similarity}-{pairs}-{reduction}"] = {
            "loss": loss.detach(),
            "first": first.grad,
            "second": second.grad,
            **{name: parameter.grad for name, parameter in confusion.named_parameters()},
        }
    return results


def loss_worker(rank: int, folder: str) -> None:
    start(rank, folder)
    results = values_and_gradients(slice(rank * CLIPS // RANKS, (rank + 1) * CLIPS // RANKS))
    for case in results.values():
        for name, value in case.items():
            # as in DistributedDataParallel: gradients of parameters are averaged over processes
            if name not in ("loss", "first", "second"):
                dist.all_reduce(value)
            if name != "loss":
                value /= RANKS
    torch.save(results, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def losses_of_ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return on_two_processes(loss_worker, tmp_path_factory.mktemp("losses"))


@pytest.fixture(scope="module")
def losses_of_one() -> dict[str, dict[str, Tensor]]:
    return values_and_gradients(slice(None))


@pytest.mark.parametrize("case", ["-".join(case) for case in CASES])
def test_losses_and_gradients_are_those_of_the_joint_batch(
    losses_of_ranks: list[dict[str, Any]], losses_of_one: dict[str, dict[str, Tensor]], case: str
) -> None:
    ranks, wanted = [rank[case] for rank in losses_of_ranks], losses_of_one[case]
    for name, value in wanted.items():
        if name in ("first", "second"):
            torch.testing.assert_close(
                torch.cat([rank[name] for rank in ranks]), value, rtol=1e-6, atol=1e-9
            )
        else:
            for rank in ranks:
                torch.testing.assert_close(rank[name], value, rtol=1e-6, atol=1e-9)
