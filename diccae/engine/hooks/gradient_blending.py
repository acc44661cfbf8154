"""Estimates of the weights of Gradient-Blending: before training, or again in each super-epoch."""

from __future__ import annotations

from typing import Any

import torch
from mmaction.registry import HOOKS, MODELS
from mmengine.dist import all_reduce_params, is_distributed
from mmengine.hooks import Hook
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from diccae.engine.feature_extractor import extract, preprocessed, unwrap
from diccae.engine.hooks.reproducibility import kept_generators, seed_iteration
from diccae.engine.hooks.update_set import UpdateSet
from diccae.models.systems.gblend import blend_file


class BlendHook(Hook):
    """Base of hooks that measure the losses of copies, see `GBlendCopies`.

    The held-out loss is that of the update set: labelled clips that are neither trained on nor
    scored. All losses are those of clips without augmentation, in evaluation mode.
    """

    # before the history and the checkpoint
    priority = "BELOW_NORMAL"

    def __init__(self) -> None:
        self.update_set: UpdateSet | None = None

    def measure(self, runner: Runner, copies: Any) -> Tensor:
        """(K, 2) mean cross entropy of each copy on the training clips and on the update set.

        Raises:
            UserError: the logits of a clip are not finite.
        """
        assert self.update_set is not None
        loader = self.loader(runner)
        clips, feature = loader.dataset, copies.logits_of_copies
        logits = extract(copies, preprocessed(copies, loader), len(clips), feature)
        held_out = self.update_set.features(copies, feature)
        count, held_labels = len(copies.copies), self.update_set.labels
        trained = mean_losses(logits, clips.labels, count)
        return torch.stack([trained, mean_losses(held_out, held_labels, count)], dim=1)

    def loader(self, runner: Runner) -> Any:
        """A loader of the training clips in the order of the dataset, without augmentation."""
        if not hasattr(self, "_loader"):
            self._loader = runner.build_dataloader(runner.cfg.extract_dataloader)
        return self._loader


def mean_losses(logits: Tensor, labels: Tensor, copies: int) -> Tensor:
    """(K,) mean cross entropy of K copies, of their logits (N, K C) side by side and the labels
    (N,)."""
    every = logits.view(len(logits), copies, -1)
    return torch.stack([F.cross_entropy(every[:, k].double(), labels) for k in range(copies)])


@HOOKS.register_module()
class BlendEstimateHook(BlendHook):
    """Measures the losses of the copies before and after a run that trains them, and writes the
    weights to blend.json."""

    def before_train(self, runner: Runner) -> None:
        """Measure before the first step; a resumed run has the losses in its checkpoint."""
        if runner.iter == 0:
            copies = unwrap(runner)
            copies.losses[0] = self.measure(runner, copies)

    def after_train_epoch(self, runner: Runner) -> None:
        """Measure after the last epoch."""
        if runner.epoch + 1 == runner.max_epochs:
            copies = unwrap(runner)
            copies.losses[1] = self.measure(runner, copies)

    def result_files(self, runner: Runner) -> dict[str, dict[str, Any]]:
        """The weights of the losses, with what they follow from."""
        copies = unwrap(runner)
        return {"blend.json": blend_file(copies.estimate(), copies.copies)}


@HOOKS.register_module()
class OnlineBlendHook(BlendHook):
    """At the start of each super-epoch, trains copies of the current network for the length of the
    super-epoch and sets the weights of the network's losses (online G-Blend).

    The network, its optimiser and all random generators stay as they are. The copies see the
    batches that the network sees next, with a new optimiser at the rate that the network has at the
    start of the super-epoch.

    Args:
        copies: config of `GBlendCopies`.
        super_epoch: its length in epochs.
        seed: of the run.
    """

    def __init__(self, copies: dict[str, Any], super_epoch: int, seed: int) -> None:
        super().__init__()
        self.copies, self.super_epoch, self.seed = copies, super_epoch, seed

    def before_train_epoch(self, runner: Runner) -> None:
        """Set the weights, if a super-epoch starts.

        Raises:
            UserError: the logits of a copy are not finite.
        """
        if runner.epoch % self.super_epoch == 0:
            with kept_generators():
                self._set_weights(runner)

    def _set_weights(self, runner: Runner) -> None:
        model = unwrap(runner)
        copies: Any = MODELS.build(self.copies)
        copies.start_from(model.state_dict())
        wrapped = runner.wrap_model(runner.cfg.get("model_wrapper_cfg"), copies)
        copies.losses[0] = self.measure(runner, copies)
        self._train(runner, copies, wrapped)
        copies.losses[1] = self.measure(runner, copies)
        model.set_blend(copies.estimate())

    def _train(self, runner: Runner, copies: Any, wrapped: Any) -> None:
        optimizer = build_optim_wrapper(wrapped, runner.cfg.optim_wrapper)
        _set_rates(optimizer, copies, runner)
        loader, iteration = runner.train_dataloader, runner.iter
        wrapped.train()
        last = min(runner.epoch + self.super_epoch, runner.max_epochs)
        for epoch in range(runner.epoch, last):
            _set_epoch(loader, epoch)
            for batch in loader:
                seed_iteration(self.seed, iteration)
                wrapped.train_step(batch, optimizer)
                iteration += 1
        _set_epoch(loader, runner.epoch)
        if is_distributed():
            # as SyncBuffersHook does with those of the network
            all_reduce_params(copies.buffers(), op="mean")


def _set_rates(optimizer: Any, copies: Any, runner: Runner) -> None:
    """Give each parameter of the copies the rate that its counterpart in the network has."""
    groups = runner.optim_wrapper.param_groups
    rates = {id(value): group["lr"] for group in groups for value in group["params"]}
    trained = dict(unwrap(runner).named_parameters())
    names = {id(value): name for name, value in copies.named_parameters()}
    for group in optimizer.param_groups:
        name = copies.counterpart(names[id(group["params"][0])])
        group["lr"] = rates[id(trained[name])]


def _set_epoch(loader: DataLoader, epoch: int) -> None:
    """Set the epoch that seeds the order of the clips and their augmentation."""
    inner = getattr(loader.batch_sampler, "sampler", None)
    parts: tuple[Any, ...] = (loader.dataset, loader.sampler, inner)
    for part in parts:
        if hasattr(part, "set_epoch"):
            part.set_epoch(epoch)
