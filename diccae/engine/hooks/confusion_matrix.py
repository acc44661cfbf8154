"""Dynamic weighting (Sec. 2.1.3): after each epoch, degrees of confusion on the update set become the weights of the next epoch."""

from __future__ import annotations

from typing import Any

import torch
from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from diccae.engine.explain import explained
from diccae.engine.feature_extractor import extract, loader_of, of_main_process, unwrap
from diccae.functional.circles import CircleSpec, class_circles
from diccae.functional.degree import confusion_degree, smooth_degree
from diccae.functional.weights import WeightSpec, flat_weights, normalize_degree


@HOOKS.register_module()
class ConfusionMatrixHook(Hook):
    """Infers the update set (`update_dataloader` of the config), computes circles, Eq. 2 and Eq. 3, and fills the model's `confusion_weights`.

    Args:
        centroid, pca_dim, pca_scope, circle, coverage: see `CircleSpec`.
        normalization, weight_range, diagonal_weight, weight_floor: see `WeightSpec`.
        smoothing: share of the previous epoch's degrees that is kept (0 = none, the paper).
        flat: give every pair the mean of the dynamic weights instead of its own.
        redraw: draw another update set each epoch (Sec. 2.1.3-1) instead of one per seed.
    """

    # after re-clustering (NORMAL), before the history and the checkpoint
    priority = "BELOW_NORMAL"

    def __init__(
        self,
        centroid: str,
        pca_dim: int | None,
        pca_scope: str,
        circle: str,
        coverage: float,
        normalization: str,
        weight_range: float,
        diagonal_weight: float | str,
        weight_floor: float,
        smoothing: float,
        flat: bool,
        redraw: bool,
    ) -> None:
        with explained("weights of the confusion loss"):
            self.circles = CircleSpec(centroid, pca_dim, pca_scope, circle, coverage)
            self.weights = WeightSpec(normalization, weight_range, diagonal_weight, weight_floor)
        self.smoothing, self.flat, self.redraw = smoothing, flat, redraw
        self.state: dict[str, torch.Tensor] = {}

    def after_train_epoch(self, runner: Runner) -> None:
        loader = loader_of(runner, "update_dataloader")
        if self.redraw:
            loader.dataset.redraw(runner.epoch)
        model = unwrap(runner)
        features = extract(model, loader, model.embed)
        labels, classes = loader.dataset.labels, len(model.confusion_weights)
        self.state, clamped = of_main_process(lambda: self._matrix(features, labels, classes))
        model.confusion_weights.copy_(self.state["weights"])
        thin = [int(index) for index in torch.nonzero(self.state["counts"] < 2)[:, 0]]
        if thin:
            runner.logger.warning(
                f"epoch {runner.epoch + 1}: classes with fewer than 2 update clips overlap with nothing: {thin}"
            )
        if clamped:
            runner.logger.warning(
                f"epoch {runner.epoch + 1}: {clamped} distances of zero were clamped"
            )

    def _matrix(
        self, features: torch.Tensor, labels: torch.Tensor, classes: int
    ) -> tuple[dict[str, torch.Tensor], int]:
        """The next `state`, and how many distances of zero were clamped."""
        with explained("degrees of confusion of the update set"):
            circles = class_circles(features, labels, classes, self.circles)
        degree, clamped = confusion_degree(circles)
        degree = smooth_degree(self.state.get("degree"), degree, self.smoothing)
        weights = normalize_degree(degree, self.weights)
        if self.flat:
            weights = flat_weights(weights)
        state = {
            "degree": degree,
            "weights": weights,
            "centers": circles.centers,
            "radii": circles.radii,
        }
        return state | {"counts": circles.counts}, clamped

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        checkpoint["confusion_matrix"] = dict(self.state)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        self.state = dict(checkpoint.get("confusion_matrix", {}))
