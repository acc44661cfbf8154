"""Adapts a composed config to the hardware: one or several processes, with or without a GPU."""

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

# options of mallopt in glibc's <malloc.h>, each with the value to set
M_TRIM_THRESHOLD = -1, 2**28
M_MMAP_THRESHOLD = -3, 2**25


def keep_freed_memory() -> None:
    """Let glibc reuse the memory of one training step for the next.

    Otherwise it returns large blocks to the system, which must clear every page again. This saves
    time on a CPU, and no result depends on it. With another C library nothing is changed.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for option in (M_TRIM_THRESHOLD, M_MMAP_THRESHOLD):
            mallopt(*option)


def process_count() -> int:
    """Number of processes that torchrun started, 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1


def join_process_group() -> int:
    """Initialise the process group if torchrun started several processes, with NCCL on GPUs and
    gloo on CPUs; returns the number of processes."""
    processes = process_count()
    if processes > 1 and not is_distributed():
        if torch.cuda.is_available():
            init_dist("pytorch", backend="nccl")
        else:
            dist.init_process_group("gloo")
        # threads that still run at exit can abort the process
        atexit.register(dist.destroy_process_group)
    return processes


def use_processes(config: Config, processes: int) -> None:
    """Change a composed config for distributed data-parallel training.

    Gradients are averaged over the processes, and batch normalisation uses the statistics of all of
    them: on GPUs in each step, on CPUs before features are computed.

    Args:
        config: changed in place.
        processes: number of processes.
    """
    config.launcher = "pytorch"
    for loader in (config.train_dataloader, config.get("extract_dataloader")):
        # a budget in steps: in each step every process takes a batch of its own
        if loader is not None and loader.dataset.get("limit"):
            loader.dataset.limit *= processes
    # warm-up, for example, does not use the fusion
    config.find_unused_parameters = True
    if torch.cuda.is_available():
        config.sync_bn = "torch"
        return
    # mmengine's default wrapper and SyncBatchNorm need a GPU: without one, each process keeps its
    # own statistics, and they are averaged before features are computed
    config.model_wrapper_cfg = dict(
        type="MMDistributedDataParallel",
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=True,
    )
    config.custom_hooks.append(dict(type="SyncBuffersHook", priority="HIGH"))


def prepare(config: Config) -> None:
    """Change a composed config for this machine: with a GPU, batches are copied from pinned memory
    while the previous batch is computed.

    No number depends on it, so composed configs do not contain it.

    Raises:
        UserError: the plan sets bfloat16 and there is no GPU.
    """
    if not torch.cuda.is_available():
        if config.optim_wrapper.type == "AmpOptimWrapper":
            raise UserError(
                "schedule.precision: bfloat16 needs a GPU, and torch finds none; run on a machine "
                "with a GPU (see `diccae doctor`), or set schedule.precision: float32 in the "
                "plan's overrides"
            )
        return
    for name in ("train_dataloader", "update_dataloader", "extract_dataloader", "test_dataloader"):
        if config.get(name) is not None:
            config[name].pin_memory = True
    config.model.data_preprocessor.non_blocking = True
