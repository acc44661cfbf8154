"""The first clustering of cluster-guided pre-training (Sec. 2.3-1), at the end of the warm-up."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from diccae.engine.clustering import ClusterOptions, cluster
from diccae.engine.feature_extractor import extract, of_main_process, preprocessed, unwrap
from diccae.engine.hooks.update_set import UpdateSet, ordered_loader


class ClusteringHook(Hook):
    """Base of hooks that cluster the features of all training clips.

    They need `UpdateSetHook` and, in the config, an `extract_dataloader` of the training clips
    without augmentation. Datasets have `ids`, (N,) text; models have the method that computes
    features (B, D) of the `inputs` that their `data_preprocessor` returns.

    Args:
        seed: of the initial centroids.
        clusters: fields of `ClusterOptions`.
    """

    def __init__(self, seed: int, **clusters: Any) -> None:
        self.seed, self.clusters = seed, ClusterOptions(**clusters)
        self.update_set: UpdateSet | None = None

    def features(self, runner: Runner, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Features of the training clips (N, D) and of the update set (U, D), in the main process;
        (0, D) in the others.

        Args:
            runner: gives model and data.
            name: the method of the model that computes features, `embed` or `joint_features`.
        """
        assert self.update_set is not None
        model = unwrap(runner)
        feature = getattr(model, name)
        loader = self.loader(runner)
        batches = preprocessed(model, loader)
        clips = extract(model, batches, len(loader.dataset), feature, everywhere=False)
        update = self.update_set.features(model, feature, everywhere=False)
        return clips.numpy(), update.numpy()

    def loader(self, runner: Runner) -> Any:
        """A loader of the training clips in the order of the dataset, without augmentation.

        Raises:
            UserError: the config has no `extract_dataloader`, or one that changes the order.
        """
        if not hasattr(self, "_loader"):
            self._loader = ordered_loader(runner, "extract_dataloader")
        return self._loader


@HOOKS.register_module()
class FirstClustersHook(ClusteringHook):
    """The first clustering (Sec. 2.3-1), at the end of the warm-up, of the concatenated unit-length
    audio and video features, the model's `joint_features`.

    `diccae train` writes `result_files` beside the run; in a Runner of your own, write
    `assignments.npz` with `numpy.savez` after training.

    Args:
        seed: of the initial centroids.
        k, restarts, spherical, init: see `ClusterOptions`.
    """

    def __init__(self, seed: int, **clusters: Any) -> None:
        super().__init__(seed, **clusters)
        self.ids = np.array([], dtype=str)
        self.assignments = np.array([], dtype=np.int32)

    def after_train(self, runner: Runner) -> None:
        """Cluster the training clips and assign the update clips.

        Raises:
            UserError: there are fewer clips than clusters, or features are not finite.
        """
        assert self.update_set is not None
        clips, update = self.features(runner, "joint_features")

        def first() -> np.ndarray:
            train, fresh, _ = cluster(clips, update, self.clusters, self.seed)
            return np.concatenate([train, fresh])

        self.assignments = of_main_process(first)
        self.ids = np.concatenate([self.loader(runner).dataset.ids, self.update_set.ids])

    def result_files(self, runner: Runner) -> dict[str, dict[str, np.ndarray]]:
        """Arrays of assignments.npz: `ids` (training clips, then update clips), `epochs` ([0]) and
        `assign_0`."""
        arrays = {"ids": self.ids.astype(str), "epochs": np.array([0])}
        return {"assignments.npz": arrays | {"assign_0": self.assignments}}
