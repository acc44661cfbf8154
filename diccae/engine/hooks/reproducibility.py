"""Everything that makes a resumed run equal an unbroken one, bit for bit."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from mmaction.registry import HOOKS
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner


@HOOKS.register_module()
class ReproducibilityHook(Hook):
    """Seeds every iteration from (seed, iteration, rank), tells datasets the epoch, and keeps
    checkpoints free of pickled objects.

    Generator states are then a function of the iteration and need not be saved. The message hub's
    history buffers are dropped from checkpoints: since torch 2.6 a plain `torch.load` refuses them,
    and they hold nothing but smoothed log values.
    """

    priority = "VERY_HIGH"

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def before_train_epoch(self, runner: Runner) -> None:
        dataset = runner.train_dataloader.dataset
        if hasattr(dataset, "set_epoch"):
            dataset.set_epoch(runner.epoch)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        seed = np.random.SeedSequence([self.seed, runner.iter, get_rank()]).generate_state(1)[0]
        torch.manual_seed(int(seed))
        np.random.seed(seed)
        random.seed(int(seed))

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        checkpoint["message_hub"] = {"log_scalars": {}, "runtime_info": {}, "resumed_keys": {}}
