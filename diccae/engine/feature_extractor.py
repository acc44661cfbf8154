"""Features of a whole set of clips, by the model as it is."""

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
    """The recogniser itself, inside or outside of DistributedDataParallel."""
    return runner.model.module if is_distributed() else runner.model


def preprocessed(model: Any, loader: DataLoader) -> Iterator[dict[str, Tensor]]:
    """The loader's batches as the network takes them, without augmentation."""
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
    """(N, D) float32 features on the CPU, in the order of the data set; the model is left in evaluation
    mode.

    With several processes, each takes the clips that its unshuffled sampler deals out in turn, and all
    of them get the features of all clips. Large sets are kept in a file, see `empty_rows`.

    Args:
        model: a recogniser.
        batches: preprocessed batches of a data set in its own order.
        clips: N, the size of the data set.
        feature: a batch -> (B, D).
        everywhere: False: the main process alone keeps the features, and the others get (0, D).

    Raises:
        UserError: a feature is not finite, or there is no room for the features of all clips.
    """
    model.eval()
    features, begin = torch.empty(0, 0), 0
    for batch in batches:
        own = feature(batch).float()
        # row i of process r is clip i x processes + r; the last ones are made up to give every process
        # as many
        rows = torch.stack(all_gather(own.contiguous()), dim=1).flatten(0, 1).cpu()
        if begin == 0:
            kept = clips if everywhere or is_main_process() else 0
            with explained("features"):
                features = torch.from_numpy(empty_rows(kept, rows.shape[1]))
        if len(features):
            features[begin : begin + len(rows)] = rows[: clips - begin]
        begin += len(rows)
    bad = sum(int((~torch.isfinite(block).all(dim=1)).sum()) for block in features.split(BLOCK))
    if bad:
        raise UserError(
            f"{bad} of {len(features)} clips have NaN or infinite features; training diverged: "
            "lower schedule.<stage>.lr in the plan"
        )
    return features


def of_main_process(compute: Callable[[], Any]) -> Any:
    """What `compute` returns in the main process, in every process; the others wait for it, for days if
    need be.

    For what need not come out alike twice (K-means on a GPU) or on two machines.
    """
    if not is_distributed():
        return compute()
    # a group of its own: NCCL ends a process that waits longer than some minutes, and a clustering may
    # take hours
    group = dist.new_group(backend="gloo", timeout=timedelta(days=7))
    result = [compute() if is_main_process() else None]
    dist.broadcast_object_list(result, src=0, group=group)
    dist.destroy_process_group(group)
    return result[0]
