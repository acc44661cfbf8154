"""The history of a run by epoch: mean losses and their shares of the total, learning rate and
statistics of the network."""

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
    """Collects one row for each epoch in `rows`, which are part of the checkpoint and become
    history.csv; stops a run whose loss is not finite."""

    # after the hooks that change labels and weights, before the checkpoint is written
    priority = "LOW"

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self._sums: dict[str, torch.Tensor] = {}
        self._count = 0

    def before_train_epoch(self, runner: Runner) -> None:
        """Reset the sums of the losses."""
        self._sums, self._count = {}, 0

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Add the losses of an iteration to the sums."""
        for key, value in (outputs or {}).items():
            if "loss" in key:
                value = torch.as_tensor(value).detach()
                self._sums[key] = self._sums[key] + value if key in self._sums else value.clone()
        self._count += 1

    def after_train_epoch(self, runner: Runner) -> None:
        """Append the row of an epoch: `epoch`, `step`, `lr`, the mean of each loss, the share
        `share_<name>` of each `loss_<name>` in the total `loss`, and the network's statistics after
        the epoch.

        Raises:
            UserError: a loss is not finite.
        """
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
        row |= shares(row) | unwrap(runner).history()
        self.rows.append(row)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Add the rows to the checkpoint."""
        checkpoint["history"] = self.rows

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Restore the rows."""
        self.rows = list(checkpoint.get("history", []))


def shares(row: dict[str, float]) -> dict[str, float]:
    """The share of each loss in the total, in [0, 1], as `share_<name>` for `loss_<name>`; nothing
    where the total is 0."""
    total = row.get("loss")
    if not total:
        return {}
    parts = {key: value for key, value in row.items() if key.startswith("loss_")}
    return {f"share_{key.removeprefix('loss_')}": value / total for key, value in parts.items()}
