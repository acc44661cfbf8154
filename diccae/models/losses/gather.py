"""Rows of all processes, with gradients."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor
from torch import distributed as dist


class _GatherRows(torch.autograd.Function):
    """Concatenates the rows of all processes and hands each process the gradient of its rows.

    The functions of torch.distributed.nn keep the process group that they find at import, which
    outlives `destroy_process_group` and can abort the exit.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        return _gather(rows)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total.chunk(dist.get_world_size())[dist.get_rank()]


def gather_rows(rows: Shaped[Tensor, "b ..."]) -> Shaped[Tensor, "world*b ..."]:
    """Rows of all processes, in rank order; the identity in a single process.

    The gradient sums what every process's copy of the joint loss contributes. That is world-size
    times the gradient of one joint loss, which the average of DistributedDataParallel divides out
    again.

    Args:
        rows: (B, ...), as many in each process.
    """
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return rows
    return _GatherRows.apply(rows) if rows.is_floating_point() else _gather(rows)


def _gather(rows: Shaped[Tensor, "b ..."]) -> Shaped[Tensor, "world*b ..."]:
    parts = [
        torch.empty_like(rows, memory_format=torch.contiguous_format)
        for _ in range(dist.get_world_size())
    ]
    dist.all_gather(parts, rows.contiguous())
    return torch.cat(parts)
