"""Dynamic weighting (Sec. 2.1.3): after each epoch, degrees of confusion on the update set become
the weights of the next epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from diccae.engine.explain import explained
from diccae.engine.feature_extractor import of_main_process, unwrap
from diccae.engine.hooks.update_set import UpdateSet
from diccae.errors import UserError
from diccae.functional.arguments import check_choice
from diccae.functional.circles import Circles, CircleSpec, class_circles
from diccae.functional.controls import CONTROLS, controlled_weights
from diccae.functional.degree import confusion_degree, smooth_degree
from diccae.functional.weights import WeightSpec, normalize_degree


@HOOKS.register_module()
class ConfusionDegreeHook(Hook):
    """Computes circles, degrees (Eq. 2) and weights (Eq. 3) from features of the update set after
    each epoch, and sets the model's `confusion_weights`.

    Works with any model of mmengine that has `num_classes` (C), a buffer `confusion_weights` (C, C)
    for its loss, and a method `embed` that computes features (B, D) of the `inputs` that its
    `data_preprocessor` returns. It needs `UpdateSetHook`, and a training loop in epochs.

    Args:
        circles: options of `CircleSpec`.
        weights: options of `WeightSpec`.
        smoothing: share of the previous epoch's degrees that is kept (0 = none, the paper).
        weighting: `dynamic`, or the control that the dynamic weights are changed to, see
            `controlled_weights`.
        seed: of the permutation of the control `shuffled`, which is the same in every epoch.
        redraw: draw another update set each epoch (Sec. 2.1.3-1) instead of one for each seed.
    """

    # after re-clustering (NORMAL), before the history and the checkpoint
    priority = "BELOW_NORMAL"

    def __init__(
        self,
        circles: dict[str, Any],
        weights: dict[str, Any],
        smoothing: float = 0.0,
        weighting: str = "dynamic",
        seed: Sequence[int] = (),
        redraw: bool = False,
    ) -> None:
        with explained("weights of the confusion loss"):
            self.circles, self.weights = CircleSpec(**circles), WeightSpec(**weights)
            check_choice("weighting", weighting, ("dynamic", *CONTROLS))
        self.smoothing, self.redraw = smoothing, redraw
        self.weighting, self.seed = weighting, tuple(seed)
        self.state: dict[str, Tensor] = {}
        self.update_set: UpdateSet | None = None

    def before_train(self, runner: Runner) -> None:
        """Draw the update sets of the epochs before a resumed one again: all clips that weights
        came from are known at the end, as in an uninterrupted run.

        Raises:
            UserError: there is no `UpdateSetHook`, or the model lacks what this hook needs.
        """
        if self.update_set is None:
            raise UserError(
                f"{type(self).__name__} needs an update set; add dict(type='UpdateSetHook') to "
                "custom_hooks"
            )
        model = unwrap(runner)
        for name in ("num_classes", "confusion_weights", "embed"):
            if not hasattr(model, name):
                raise UserError(
                    f"{type(self).__name__} needs a model with `{name}`, which "
                    f"{type(model).__name__} lacks; its docstring says what it is"
                )
        if self.redraw:
            for epoch in range(runner.epoch):
                self.update_set.redraw(epoch)

    def after_train_epoch(self, runner: Runner) -> None:
        """Set the weights of the next epoch.

        Raises:
            UserError: a feature is not finite.
        """
        assert self.update_set is not None
        if self.redraw:
            self.update_set.redraw(runner.epoch)
        model = unwrap(runner)
        features = self.update_set.features(model, model.embed)
        labels, classes = self.update_set.labels, model.num_classes
        self.state, clamped = of_main_process(lambda: self._degrees(features, labels, classes))
        model.confusion_weights.copy_(self.state["weights"])
        small = [int(index) for index in torch.nonzero(self.state["counts"] < 2)[:, 0]]
        if small:
            runner.logger.warning(
                f"epoch {runner.epoch + 1}: fewer than 2 clips in the update set, so that degrees "
                f"of confusion are unknown: {', '.join(map(self.update_set.label_name, small))}; "
                f"the weight of their pairs is method.unmeasured_weight "
                f"({self.weights.unmeasured_weight})"
            )
        if clamped:
            runner.logger.warning(
                f"epoch {runner.epoch + 1}: {clamped} distances of zero were clamped"
            )

    def _degrees(
        self, features: Tensor, labels: Tensor, classes: int
    ) -> tuple[dict[str, Tensor], int]:
        """The next `state`, and the number of distances of zero that were clamped."""
        with explained("degrees of confusion of the update set"):
            circles = class_circles(features, labels, classes, self.circles)
        degree, clamped = self._degree(circles, labels)
        # a class without a circle in the previous epoch has no degree to smooth with
        before = self.state.get("counts", circles.counts) >= 2
        degree = smooth_degree(
            self.state.get("degree"), degree, self.smoothing, valid=circles.valid & before
        )
        weights = normalize_degree(degree, self.weights, valid=circles.valid)
        if self.weighting != "dynamic":
            weights = controlled_weights(
                weights,
                self.weighting,
                weight_range=self.weights.weight_range,
                seed=self.seed,
            )
        state = {"degree": degree, "weights": weights}
        state |= {"centers": circles.centers, "radii": circles.radii, "counts": circles.counts}
        return state, clamped

    def _degree(self, circles: Circles, labels: Tensor) -> tuple[Tensor, int]:
        """Degrees (C, C) of the pairs of labels, and the number of clamped distances."""
        return confusion_degree(circles)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Add degrees, weights and circles to the checkpoint."""
        checkpoint["confusion_degree"] = dict(self.state)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Restore degrees, weights and circles."""
        kept = checkpoint.get("confusion_degree", {})
        # mmengine's own Runner loads it onto the GPU
        self.state = {name: value.cpu() for name, value in kept.items()}

    def result_files(self, runner: Runner) -> dict[str, dict[str, np.ndarray]]:
        """Arrays of confusion.npz: degrees, weights and circles of the last epoch."""
        names = {"degree": "update_degree", "weights": "update_weight"}
        arrays = {names.get(key, key): value.numpy() for key, value in self.state.items()}
        return {"confusion.npz": arrays}
