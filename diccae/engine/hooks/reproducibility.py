"""Makes a resumed run equal to an uninterrupted one, bit for bit."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from mmaction.registry import HOOKS
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner


@HOOKS.register_module()
class ReproducibilityHook(Hook):
    """Seeds every iteration from (seed, iteration, rank), sets the epoch of the training dataset,
    and keeps checkpoints free of pickled objects.

    Generator states are then a function of the iteration and need not be saved. The history buffers
    of the message hub are left out of checkpoints: they only smooth log values, and since torch 2.6
    `torch.load` with its defaults rejects them.
    """

    priority = "VERY_HIGH"

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def before_train_epoch(self, runner: Runner) -> None:
        """Set the epoch of the training dataset."""
        dataset = runner.train_dataloader.dataset
        if hasattr(dataset, "set_epoch"):
            dataset.set_epoch(runner.epoch)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Seed the generators of torch, NumPy and Python."""
        seed_iteration(self.seed, runner.iter)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Empty the message hub in the checkpoint."""
        checkpoint["message_hub"] = {"log_scalars": {}, "runtime_info": {}, "resumed_keys": {}}


def seed_iteration(seed: int, iteration: int) -> None:
    """Seed the generators of torch, NumPy and Python from the seed of a run, an iteration and the
    rank of the process."""
    drawn = np.random.SeedSequence([seed, iteration, get_rank()]).generate_state(1)[0]
    torch.manual_seed(int(drawn))
    np.random.seed(drawn)
    random.seed(int(drawn))


@contextmanager
def kept_generators() -> Iterator[None]:
    """Leave the generators of torch, NumPy and Python as they were before the block."""
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)
        if gpus:
            torch.cuda.set_rng_state_all(gpus)
