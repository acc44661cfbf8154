"""Losses of two processes against one process with the joint batch."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.multiprocessing.spawn import spawn

from diccae.models.losses import ConfusionLoss, InfoNCELoss
from tests.models.test_losses import LABELS, WEIGHTS, points


class Joint(nn.Module):
    """A linear encoder with both losses."""

    def __init__(self, gather: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.Linear(4, 4)
        self.confusion = ConfusionLoss(3, gather=gather)
        self.contrast = InfoNCELoss(0.3, gather=gather)
        self.double()

    def forward(self, inputs: Tensor, labels: Tensor) -> Tensor:
        features = self.encoder(inputs)
        return self.confusion(features, labels, WEIGHTS) + self.contrast(features, inputs)


def _worker(rank: int, folder: str) -> None:
    os.environ.update(GLOO_SOCKET_IFNAME="lo")
    torch.set_num_threads(1)
    # through a file: another program may take a port before it is used
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    rows = slice(3 * rank, 3 * rank + 3)
    results = {}
    for gather in (True, False):
        model = nn.parallel.DistributedDataParallel(Joint(gather))
        loss = model(points(9)[rows], LABELS[rows])
        loss.backward()
        results[gather] = {
            "loss": loss.detach(),
            **{name: parameter.grad for name, parameter in model.module.named_parameters()},
        }
    torch.save(results, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_equal_one_joint_batch(tmp_path: Path) -> None:
    spawn(_worker, args=(str(tmp_path),), nprocs=2)
    model = Joint()
    loss = model(points(9), LABELS)
    loss.backward()
    wanted = {
        "loss": loss.detach(),
        **{name: parameter.grad for name, parameter in model.named_parameters()},
    }
    ranks = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    for rank in ranks:
        assert rank[True].keys() == wanted.keys()
        for name, value in wanted.items():
            torch.testing.assert_close(rank[True][name], value, rtol=1e-6, atol=1e-9)
    # without gathering, each process only has the pairs of its own batch, so the gradients differ
    assert not torch.allclose(
        ranks[0][False]["encoder.weight"], wanted["encoder.weight"], rtol=1e-3
    )
