"""The history of a run by epoch: mean losses, the shares of loss and gradient of each, learning
rate, the weights of pairs of classes, and statistics of the network."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from mmaction.registry import HOOKS
from mmengine.dist import all_reduce, all_reduce_params
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from diccae.engine.feature_extractor import unwrap
from diccae.errors import UserError
from diccae.functional.gradients import gradient_norms
from diccae.functional.weights import weight_statistics

# the losses whose sum is trained on
TERM = "loss_"


@HOOKS.register_module()
class HistoryHook(Hook):
    """Collects one row for each epoch in `rows`, which become history.csv, and the mean of the
    weights of pairs over the epochs, which becomes `mean_weight` of confusion.npz; both are part of
    the checkpoint. Stops a run whose loss is not finite. The model is a `Recogniser`."""

    # after the hooks that change labels and weights, before the checkpoint is written
    priority = "LOW"

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        # sum over epochs of the weights that the loss used
        self.weight_sum: Tensor | None = None
        self._sums: dict[str, Tensor] = {}
        self._count = 0
        self._weights: Tensor | None = None
        self._norms: dict[str, float] = {}

    def before_train_epoch(self, runner: Runner) -> None:
        """Reset the sums of the losses, and note the weights that the epoch uses."""
        self._sums, self._count, self._norms = {}, 0, {}
        weights = unwrap(runner).pair_weights()
        self._weights = None if weights is None else weights.detach().double().cpu()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Measure the gradients of the last batch of an epoch."""
        if batch_idx == len(runner.train_dataloader) - 1:
            unwrap(runner).on_losses = lambda losses: self._measure(unwrap(runner), losses)

    def _measure(self, model: Any, losses: dict[str, Tensor]) -> None:
        """Keep the norms of the gradients, summed over processes, if there are several losses."""
        terms = {name: loss for name, loss in losses.items() if name.startswith(TERM)}
        parameters = last_parameters(model.encoders.values())
        if len(terms) > 1 and parameters:
            self._norms = gradient_norms(terms, parameters, reduce=all_reduce_params)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Add the losses of an iteration to the sums."""
        unwrap(runner).on_losses = None
        for key, value in (outputs or {}).items():
            if "loss" in key:
                value = torch.as_tensor(value).detach()
                self._sums[key] = self._sums[key] + value if key in self._sums else value.clone()
        self._count += 1

    def after_train_epoch(self, runner: Runner) -> None:
        """Append the row of an epoch.

        It has `epoch`, `step`, `lr`, the mean of each loss, the share `share_<name>` of each
        `loss_<name>` in the total `loss`, `grad_share_<name>` (see `gradient_shares`), statistics
        of the weights that the epoch used (see `weight_statistics`), and the network's statistics
        after the epoch.

        Raises:
            UserError: a loss is not finite.
        """
        row = {
            "epoch": runner.epoch + 1,
            "step": runner.iter,
            "lr": runner.optim_wrapper.get_lr()["lr"][0],
        }
        for key, total in self._sums.items():
            # over the clips of all processes
            all_reduce(total, op="mean")
            row[key] = float(total) / self._count
            if not torch.isfinite(total):
                raise UserError(
                    f"{key} is not finite in epoch {runner.epoch + 1}: training diverged; "
                    "lower schedule.<stage>.lr in the plan"
                )
        row |= shares(row) | gradient_shares(self._norms)
        if self._weights is not None:
            row |= weight_statistics(self._weights)
            total = torch.zeros_like(self._weights) if self.weight_sum is None else self.weight_sum
            self.weight_sum = total + self._weights
        self.rows.append(row | unwrap(runner).history())

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Add rows and weights to the checkpoint."""
        checkpoint["history"] = self.rows
        if self.weight_sum is not None:
            checkpoint["weight_sum"] = self.weight_sum

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Restore rows and weights."""
        self.rows = list(checkpoint.get("history", []))
        total = checkpoint.get("weight_sum")
        # mmengine's own Runner loads it onto the GPU
        self.weight_sum = None if total is None else total.cpu()

    def result_files(self, runner: Runner) -> dict[str, dict[str, np.ndarray]]:
        """`mean_weight` (C, C) of confusion.npz, the mean over epochs of the weights that the loss
        used; nothing without such a loss."""
        if self.weight_sum is None:
            return {}
        mean = (self.weight_sum / len(self.rows)).float()
        return {"confusion.npz": {"mean_weight": mean.numpy()}}


def last_parameters(encoders: Iterable[nn.Module]) -> list[nn.Parameter]:
    """The trained parameters of the last layer of each encoder."""
    found: list[nn.Parameter] = []
    for encoder in encoders:
        layers = ([*layer.parameters(recurse=False)] for layer in encoder.modules())
        trained = [[p for p in layer if p.requires_grad] for layer in layers]
        found += next((layer for layer in reversed(trained) if layer), [])
    return found


def gradient_shares(norms: dict[str, float]) -> dict[str, float]:
    """The share of each loss in the sum of the norms of their gradients, in [0, 1], as
    `grad_share_<name>` for `loss_<name>`; nothing where the sum is 0, or for a single loss.

    The gradients are those of the last batch of an epoch with respect to the last layer of each
    encoder, which all losses depend on, as in GradNorm (Chen et al., 2018, Sec. 3.1). Those with
    respect to all shared parameters would cost a backward pass for each loss.
    """
    total = sum(norms.values())
    if not total or len(norms) < 2:
        return {}
    return {f"grad_share_{name.removeprefix(TERM)}": norm / total for name, norm in norms.items()}


def shares(row: dict[str, float]) -> dict[str, float]:
    """The share of each loss in the total, in [0, 1], as `share_<name>` for `loss_<name>`; nothing
    where the total is 0."""
    total = row.get("loss")
    if not total:
        return {}
    parts = {key: value for key, value in row.items() if key.startswith(TERM)}
    return {f"share_{key.removeprefix(TERM)}": value / total for key, value in parts.items()}
