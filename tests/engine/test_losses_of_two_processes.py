"""Losses and gradients of two processes against one process with the joint batch."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.registry import init_default_scope
from torch import Tensor
from torch import distributed as dist

from diccae import registry  # noqa: F401
from diccae.models.losses import ConfusionLoss, InfoNCELoss, SupConLoss
from diccae.models.systems.avcl import AVCL
from diccae.models.systems.cav_mae import CavMaePretraining
from tests.engine.processes import RANKS, on_two_processes, start

CLASSES, CLIPS, WIDTH = 4, 12, 6
BOTH = ("audio", "video")
# losses of the joint batch, which every process computes whole
COUPLED = ("loss", "loss_contrast", "loss_selfcl")
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
        options = dict(feature_dim=WIDTH, by_own_loss=similarity == "rbf")
        confusion = ConfusionLoss(CLASSES, similarity, pairs, reduction, **options).double()
        contrast = InfoNCELoss(0.2, "one_way" if reduction == "sum" else "cross_modal")
        loss = confusion(first, labels[rows], weights, second) + contrast(first, second)
        loss += SupConLoss()(second, labels[rows])
        loss.backward()
        results[f"{similarity}-{pairs}-{reduction}"] = {
            "loss": loss.detach(),
            "first": first.grad,
            "second": second.grad,
            **{name: parameter.grad for name, parameter in confusion.named_parameters()},
        }
    return results


def networks() -> dict[str, Any]:
    """Pre-training of the systems whose loss couples the clips of a batch, in float64."""
    init_default_scope("mmaction")
    torch.manual_seed(0)
    size = {"width": 12, "depth": 1, "heads": 2, "eps": 1e-5}
    cav_mae = CavMaePretraining(
        BOTH,
        CLASSES,
        joint_depth=1,
        audio_encoder=dict(type="AudioTokens", size=(16, 8), patch=(4, 4), **size),
        video_encoder=dict(type="VideoTokens", size=(2, 8, 8), patch=(1, 4, 4), channels=1, **size),
        mask_ratio=0.75,
        norm_pixels=False,
        reconstruction_weight=1.0,
        decoder={"width": 12, "depth": 1, "heads": 2},
        contrast={"type": "InfoNCELoss", "temperature": 0.05, "contrast": "one_way"},
    )
    avcl = AVCL(
        BOTH,
        CLASSES,
        embedding_dim=WIDTH,
        audio_encoder={"type": "ConvEncoder", "in_channels": 1, "widths": (4, 6)},
        video_encoder={"type": "ConvEncoder", "in_channels": 2, "widths": (4, 8)},
        cgra={"level": "locations", "loss_weight": 1.0},
        selfcl={"head": True},
        cls_head=False,
    )
    # batch normalisation has statistics of each process, with or without a loss that couples
    return {"cav_mae": cav_mae.double(), "avcl": avcl.double().eval()}


def losses_of_networks(rows: slice) -> dict[str, dict[str, Tensor]]:
    """System -> losses and gradients of all parameters, for these rows of a joint batch."""
    results = {}
    for name, model in networks().items():
        torch.manual_seed(1)
        audio, video = torch.randn(2, CLIPS, 1, 16, 8), torch.randn(2, CLIPS, 1, 2, 8, 8)
        inputs = {"audio": audio[0], "video": video[0]}
        inputs |= {"second_audio": audio[1], "second_video": video[1]}
        own, options = {key: value[rows].double() for key, value in inputs.items()}, {}
        if name == "cav_mae":
            masks = model.draw_masks(CLIPS)
            options["masks"] = {
                key: type(mask)(*(part[rows] for part in mask)) for key, mask in masks.items()
            }
        losses = model.loss(own, [], **options)
        sum(losses.values()).backward()
        results[name] = {key: value.detach() for key, value in losses.items()}
        results[name] |= {
            key: value.grad for key, value in model.named_parameters() if value.grad is not None
        }
    return results


def values_of(rows: slice) -> dict[str, dict[str, Tensor]]:
    """All cases."""
    return values_and_gradients(rows) | losses_of_networks(rows)


def loss_worker(rank: int, folder: str) -> None:
    start(rank, folder)
    results = values_of(slice(rank * CLIPS // RANKS, (rank + 1) * CLIPS // RANKS))
    for case in results.values():
        for name, value in case.items():
            # as in DistributedDataParallel: gradients of parameters are averaged over processes,
            # and so are losses that are means over clips
            if name not in (*COUPLED, "first", "second"):
                dist.all_reduce(value)
            if name not in COUPLED:
                value /= RANKS
    torch.save(results, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def losses_of_ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return on_two_processes(loss_worker, tmp_path_factory.mktemp("losses"))


@pytest.fixture(scope="module")
def losses_of_one() -> dict[str, dict[str, Tensor]]:
    return values_of(slice(None))


@pytest.mark.parametrize("case", ["cav_mae", "avcl", *("-".join(case) for case in CASES)])
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
