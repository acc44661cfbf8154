"""Features of all clips of a dataset, with one process or several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

import torch
from mmengine.dist import all_gather, is_distributed, is_main_process
from mmengine.runner import Runner
from torch import Tensor
from torch import distributed as dist
from torch.utils.data import DataLoader

from diccae.engine.explain import explained
from diccae.errors import UserError
from diccae.functional.scratch import BLOCK, empty_rows


def unwrap(runner: Runner) -> Any:
    """The recogniser of a runner, without the wrapper DistributedDataParallel."""
    return runner.model.module if is_distributed() else runner.model


def preprocessed(model: Any, loader: DataLoader) -> Iterator[Any]:
    """Batches of a loader as input of the network, without augmentation."""
    for batch in loader:
        yield model.data_preprocessor(batch, False)["inputs"]


@torch.no_grad()
def extract(
    model: Any,
    batches: Iterable[dict[str, Tensor]],
    clips: int,
    feature: Callable[[dict[str, Tensor]], Tensor],
    *,
    everywhere: bool = True,
) -> Tensor:
    """Compute the features of all clips of a dataset.

    With several processes, each computes the features of the clips from its own sampler, which must
    not shuffle, and they are gathered, see `GatheredRows`. The model is left in evaluation mode.

    Args:
        model: a recogniser.
        batches: preprocessed batches in the order of the dataset.
        clips: N, the number of clips in the dataset.
        feature: computes (B, D) features of a batch.
        everywhere: whether every process returns all features; if not, only the main process does,
            and the others return (0, D).

    Returns:
        (N, D) float32 features on the CPU, in the order of the dataset.

    Raises:
        UserError: a feature is not finite, or there is no space for the features on the disk.
    """
    model.eval()
    gathered = GatheredRows(clips, everywhere=everywhere)
    for batch in batches:
        gathered.add(feature(batch).float())
    features = gathered.rows
    bad = sum(int((~torch.isfinite(block).all(dim=1)).sum()) for block in features.split(BLOCK))
    if bad:
        raise UserError(
            f"{bad} of {len(features)} clips have NaN or infinite features; training diverged: "
            "lower schedule.<stage>.lr in the plan"
        )
    return features


class GatheredRows:
    """Rows of all clips of a dataset, gathered from all processes batch by batch.

    Each process adds the rows of the clips from its own sampler, which must not shuffle. Large
    arrays are kept in a file, see `empty_rows`.

    Args:
        clips: N, the number of clips in the dataset.
        everywhere: whether every process keeps the rows, or only the main process.

    Attributes:
        rows: (N, D) float32 rows on the CPU, in the order of the dataset; (0, D) where a process
            does not keep them.
    """

    def __init__(self, clips: int, *, everywhere: bool = True) -> None:
        self.rows, self._begin, self._clips = torch.empty(0, 0), 0, clips
        self._kept = clips if everywhere or is_main_process() else 0

    def add(self, own: Tensor) -> None:
        """Add the (B, D) rows of a batch; every process adds as many batches.

        Raises:
            UserError: there is no space for the rows on the disk.
        """
        # row i of process r is clip i x processes + r; the sampler repeats clips at the end, so
        # that every process has as many
        rows = torch.stack(all_gather(own.contiguous()), dim=1).flatten(0, 1).cpu()
        if self._begin == 0:
            with explained("features"):
                self.rows = torch.from_numpy(empty_rows(self._kept, rows.shape[1]))
        if len(self.rows):
            chosen = rows[: self._clips - self._begin]
            self.rows[self._begin : self._begin + len(rows)] = chosen
        self._begin += len(rows)


def of_main_process(compute: Callable[[], Any]) -> Any:
    """Call `compute` in the main process and return its result in every process.

    For computations that may give different results in each process, such as K-means on a GPU. The
    other processes wait for up to seven days.
    """
    if not is_distributed():
        return compute()
    # a separate group: NCCL aborts a process that waits longer than some minutes, and a clustering
    # may take hours
    group = dist.new_group(backend="gloo", timeout=timedelta(days=7))
    result = [compute() if is_main_process() else None]
    dist.broadcast_object_list(result, src=0, group=group)
    dist.destroy_process_group(group)
    return result[0]
