"""What a composed config needs on the hardware at hand: several processes, a GPU."""

from __future__ import annotations

import atexit
import ctypes
import os
import sys

import torch
from mmengine.config import Config
from mmengine.dist import init_dist, is_distributed
from torch import distributed as dist

from diccae.errors import UserError

# glibc's <malloc.h>: option, and the value that is set
M_TRIM_THRESHOLD = -1, 2**28
M_MMAP_THRESHOLD = -3, 2**25


def keep_freed_memory() -> None:
    """Let glibc hand the memory of one training step to the next instead of giving it back to the
    system, which clears every page of it again.

    It saves time on a CPU, and no result depends on it. Where the C library is another, nothing is
    done.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for option in (M_TRIM_THRESHOLD, M_MMAP_THRESHOLD):
            mallopt(*option)


def join_process_group() -> int:
    """The number of processes that torchrun started for one run, joined to each other: by NCCL on
    GPUs, by gloo without."""
    processes = int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1
    if processes > 1 and not is_distributed():
        if torch.cuda.is_available():
            init_dist("pytorch", backend="nccl")
        else:
            dist.init_process_group("gloo")
        # threads that are left at exit can abort it
        atexit.register(dist.destroy_process_group)
    return processes


def use_processes(config: Config, processes: int) -> None:
    """Make a composed config train in the joined processes: gradients averaged, statistics of batch
    normalisation those of all."""
    config.launcher = "pytorch"
    if config.train_dataloader.dataset.get("limit"):
        # a budget in steps: each process draws its own clips of a step
        config.train_dataloader.dataset.limit *= processes
    # warm-up does not use the fusion, for one
    config.find_unused_parameters = True
    if torch.cuda.is_available():
        config.sync_bn = "torch"
        return
    # mmengine's wrapper wants a GPU, and so does SyncBatchNorm: each process keeps its own
    # statistics, averaged before features are taken
    config.model_wrapper_cfg = dict(
        type="MMDistributedDataParallel",
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=True,
    )
    config.custom_hooks.append(dict(type="SyncBuffersHook", priority="HIGH"))


def prepare(config: Config) -> None:
    """On a GPU, batches come from pinned memory while it works on the one before; no number depends
    on it, so no config says it.

    Raises:
        UserError: the plan wants bfloat16 and there is no GPU.
    """
    if not torch.cuda.is_available():
        if config.optim_wrapper.type == "AmpOptimWrapper":
            raise UserError(
                "schedule.precision: bfloat16 needs a GPU, and torch sees none; run it where one is (see `diccae doctor`), or set "
                "schedule.precision: float32 in the plan's overrides"
            )
        return
    for name in ("train_dataloader", "update_dataloader", "extract_dataloader", "test_dataloader"):
        if config.get(name) is not None:
            config[name].pin_memory = True
    config.model.data_preprocessor.non_blocking = True
