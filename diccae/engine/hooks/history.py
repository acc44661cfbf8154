"""One row an epoch: the mean of every loss, the learning rate, and what the network adds."""

from __future__ import annotations

from typing import Any

import torch
from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from diccae.engine.feature_extractor import unwrap
from diccae.errors import UserError


@HOOKS.register_module()
class HistoryHook(Hook):
    """Keeps `rows` (written to history.csv at the end) in the checkpoint, and stops a run whose
    loss is not finite."""

    # after the hooks that change labels and weights, before the checkpoint is written
    priority = "LOW"

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self._sums: dict[str, torch.Tensor] = {}
        self._count = 0

    def before_train_epoch(self, runner: Runner) -> None:
        self._sums, self._count = {}, 0

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        for key, value in (outputs or {}).items():
            if "loss" in key:
                value = torch.as_tensor(value).detach()
                self._sums[key] = self._sums[key] + value if key in self._sums else value.clone()
        self._count += 1

    def after_train_epoch(self, runner: Runner) -> None:
        row = {
            "epoch": runner.epoch + 1,
            "step": runner.iter,
            "lr": runner.optim_wrapper.get_lr()["lr"][0],
        }
        for key, total in self._sums.items():
            row[key] = float(total) / self._count
            if not torch.isfinite(total):
                raise UserError(
                    f"{key} is not finite in epoch {runner.epoch + 1}: training diverged; "
                    "lower schedule.<stage>.lr in the plan"
                )
        row |= unwrap(runner).history()
        self.rows.append(row)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        checkpoint["history"] = self.rows

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        self.rows = list(checkpoint.get("history", []))
