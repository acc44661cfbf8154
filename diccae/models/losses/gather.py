"""Rows of all processes, with gradients."""

from __future__ import annotations

import torch
from torch import Tensor
from torch import distributed as dist


def gather_rows(rows: Tensor) -> Tensor:
    """(B, ...) -> (world size x B, ...), in rank order; the identity in a single process.

    torch's functional all_gather has the exact gradient: it sums what every process's copy of the joint loss contributes. That is world-size
    times the gradient of one joint loss, which the average of DistributedDataParallel divides out again.
    """
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return rows
    if rows.is_floating_point():
        from torch.distributed.nn.functional import all_gather

        return torch.cat(all_gather(rows))
    parts = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, rows.contiguous())
    return torch.cat(parts)
