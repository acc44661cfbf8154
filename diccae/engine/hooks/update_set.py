"""The update set (Sec. 2.1.3-1): clips that training leaves out, on which degrees are measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor
from torch.utils.data import DataLoader

from diccae.engine.feature_extractor import extract, preprocessed

# Preprocessed clips of at most so many bytes are kept; larger update sets are read again each time.
KEPT_BYTES = 2**29


class UpdateSet:
    """Clips and labels of the update set, shared by the hooks that read it.

    The preprocessed clips are the same each time, so they stay in memory if they are small enough.
    """

    def __init__(self, loader: DataLoader) -> None:
        self.loader = loader
        self._dataset: Any = loader.dataset
        self._kept: list[dict[str, Tensor]] = []

    @property
    def ids(self) -> np.ndarray:
        """(N,) ids of the clips."""
        return self._dataset.ids

    @property
    def labels(self) -> Tensor:
        """(N,) int64 class or cluster of each clip."""
        return self._dataset.labels

    def set_labels(self, labels: Tensor) -> None:
        """Replace every label, (N,) int64."""
        self._dataset.set_labels(labels)

    def redraw(self, epoch: int) -> None:
        """Take another draw of the same size; a held-out part of the pool stays as it is."""
        if self._dataset.per_class is not None:
            self._dataset.redraw(epoch)
            self._kept = []

    def features(
        self, model: Any, feature: Callable[[dict[str, Tensor]], Tensor], *, everywhere: bool = True
    ) -> Tensor:
        """(N, D) features of all clips, see `extract`."""
        clips = len(self._dataset)
        return extract(model, self._batches(model), clips, feature, everywhere=everywhere)

    def _batches(self, model: Any) -> Iterator[dict[str, Tensor]]:
        if self._kept:
            yield from self._kept
            return
        kept: list[dict[str, Tensor]] | None = []
        size = 0
        for batch in preprocessed(model, self.loader):
            if kept is not None:
                kept.append(batch)
                size += sum(value.nbytes for value in batch.values())
                if size > KEPT_BYTES:
                    kept = None
            yield batch
        self._kept = kept or []


@HOOKS.register_module()
class UpdateSetHook(Hook):
    """Builds the update set of the config's `update_dataloader` and hands it to every hook that has
    an attribute `update_set`."""

    priority = "VERY_HIGH"

    def __init__(self) -> None:
        self.update_set: UpdateSet | None = None

    def before_train(self, runner: Runner) -> None:
        self.update_set = UpdateSet(runner.build_dataloader(runner.cfg.update_dataloader))
        for hook in runner.hooks:
            if hasattr(hook, "update_set"):
                hook.update_set = self.update_set


def update_ids(runner: Runner) -> np.ndarray:
    """(N,) ids of the run's update set; none where it has no update set."""
    for hook in runner.hooks:
        if isinstance(hook, UpdateSetHook) and hook.update_set is not None:
            return hook.update_set.ids
    return np.array([], dtype=str)
