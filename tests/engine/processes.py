"""Runs a function in two processes of one gloo group."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed as dist
from torch.multiprocessing.spawn import spawn

RANKS = 2


def start(rank: int, folder: str) -> None:
    """Join the group through a file of the folder: a free port may be taken before it is used."""
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(RANKS))
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    meeting = f"file://{folder}/meeting"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=RANKS)


def on_two_processes(worker: Callable[[int, str], None], folder: Path) -> list[dict[str, Any]]:
    """Run `worker(rank, folder)` in two processes; returns what each saved as `<rank>.pt`."""
    with pytest.MonkeyPatch.context() as patch:
        # both on the CPU, also where `pytest --gpu` shows a GPU; set here, because what a process
        # imports may make PyTorch count GPUs, which it does once
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        spawn(worker, args=(str(folder),), nprocs=RANKS)
    return [torch.load(folder / f"{rank}.pt") for rank in range(RANKS)]
