"""The update set (Sec. 2.1.3-1): clips that are not trained on, for the degrees of confusion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor
from torch.utils.data import DataLoader, RandomSampler

from diccae.engine.feature_extractor import extract, preprocessed
from diccae.errors import UserError

# Preprocessed clips are kept in memory up to this size; larger update sets are read each time.
KEPT_BYTES = 2**29


class UpdateSet:
    """Clips and labels of the update set, shared by the hooks that read it.

    The preprocessed clips do not change between epochs, so they are kept in memory if they are
    small enough.

    Args:
        loader: loads all clips in the order of their dataset, which has `labels`, (N,) int64 on the
            CPU.
    """

    def __init__(self, loader: DataLoader) -> None:
        self.loader = loader
        self._dataset: Any = loader.dataset
        self._kept: list[Any] = []
        self._clustered = False
        self._drawn: np.ndarray | None = None

    @property
    def ids(self) -> np.ndarray:
        """(N,) ids of the clips."""
        return self._dataset.ids

    @property
    def used(self) -> np.ndarray:
        """(M,) ids of all clips that it has held when it was read: of each draw."""
        return self.ids if self._drawn is None else self._drawn

    @property
    def labels(self) -> Tensor:
        """(N,) int64 class or cluster of each clip."""
        return self._dataset.labels

    def set_labels(self, labels: Tensor) -> None:
        """Replace all labels by clusters, (N,) int64."""
        self._dataset.set_labels(labels)
        self._clustered = True

    def label_name(self, label: int) -> str:
        """`class 'chop onions'`, or `cluster 7` once the labels are clusters."""
        if self._clustered:
            return f"cluster {label}"
        names = getattr(self._dataset, "metainfo", {}).get("classes", ())
        # a class without any clip has no name
        return f"class {names[label]!r}" if label < len(names) else f"class {label}"

    def redraw(self, epoch: int) -> None:
        """Draw another update set of the same size; one that is a held-out part of the pool does
        not change."""
        if self._dataset.per_class is not None:
            self._dataset.redraw(epoch)
            self._kept = []
            # the first clips are replaced before they are read
            self._drawn = self.ids if self._drawn is None else np.union1d(self._drawn, self.ids)

    def features(
        self, model: Any, feature: Callable[[Any], Tensor], *, everywhere: bool = True
    ) -> Tensor:
        """(N, D) features of all clips, see `extract`."""
        clips = len(self._dataset)
        return extract(model, self._batches(model), clips, feature, everywhere=everywhere)

    def _batches(self, model: Any) -> Iterator[Any]:
        if self._kept:
            yield from self._kept
            return
        kept: list[Any] | None = []
        size = 0
        for batch in preprocessed(model, self.loader):
            if kept is not None:
                kept.append(batch)
                # a model may take one tensor
                values = batch.values() if isinstance(batch, dict) else [batch]
                size += sum(value.nbytes for value in values)
                if size > KEPT_BYTES:
                    kept = None
            yield batch
        self._kept = kept or []


@HOOKS.register_module()
class UpdateSetHook(Hook):
    """Builds the update set from `update_dataloader`, a part of the config beside
    `train_dataloader`, and sets it as `update_set` of every hook that has this attribute."""

    priority = "VERY_HIGH"

    def __init__(self) -> None:
        self.update_set: UpdateSet | None = None

    def before_train(self, runner: Runner) -> None:
        """Build the update set and pass it to the other hooks.

        Raises:
            UserError: the config has no `update_dataloader`; it shuffles or leaves clips out; or
                its dataset has no `labels`.
        """
        loader = ordered_loader(runner, "update_dataloader")
        if not hasattr(loader.dataset, "labels"):
            raise UserError(
                f"update_dataloader: its dataset, {type(loader.dataset).__name__}, has no "
                "`labels`; give it a tensor (N,) int64 of the classes of its clips"
            )
        self.update_set = UpdateSet(loader)
        for hook in runner.hooks:
            if hasattr(hook, "update_set"):
                hook.update_set = self.update_set


def ordered_loader(runner: Runner, name: str) -> DataLoader:
    """A loader of all clips in the order of their dataset, built from the config's key `name`.

    Raises:
        UserError: the config has no such key, or the loader shuffles or leaves clips out.
    """
    config = runner.cfg.get(name)
    if config is None:
        raise UserError(
            f"the config has no {name}, which a hook reads clips from; add one beside "
            "train_dataloader"
        )
    loader = runner.build_dataloader(config)
    shuffled = getattr(loader.sampler, "shuffle", isinstance(loader.sampler, RandomSampler))
    if shuffled or loader.drop_last:
        raise UserError(
            f"{name}: features belong to clips by their order, so it must neither shuffle nor drop "
            "clips; set sampler=dict(type='DefaultSampler', shuffle=False) and drop_last=False"
        )
    return loader


def update_ids(runner: Runner) -> np.ndarray:
    """(N,) ids of the run's update set; (0,) without an update set."""
    update_set = _update_set(runner)
    return np.array([], dtype=str) if update_set is None else update_set.ids


def used_ids(runner: Runner) -> np.ndarray:
    """(M,) ids of the clips that the run's update set had in any epoch; (0,) without one."""
    update_set = _update_set(runner)
    return np.array([], dtype=str) if update_set is None else update_set.used


def _update_set(runner: Runner) -> UpdateSet | None:
    return next((h.update_set for h in runner.hooks if isinstance(h, UpdateSetHook)), None)
