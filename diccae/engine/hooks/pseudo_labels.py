"""Cluster-guided pre-training (Sec. 2.3): cluster ids are the labels, and clusters are refined from
the fused features at regular intervals of epochs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from mmaction.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor

from diccae.engine.clustering import cluster
from diccae.engine.feature_extractor import of_main_process, unwrap
from diccae.engine.hooks.first_clusters import ClusteringHook
from diccae.errors import UserError
from diccae.functional.matching import match_clusters
from diccae.stored_file import reading


@HOOKS.register_module()
class PseudoLabelHook(ClusteringHook):
    """Labels clips with the clusters of the warm-up, clusters them again every `refine_every`
    epochs, and keeps the ids of clusters stable by Hungarian matching (Sec. 2.3).

    At the end of such an epoch the training clips are clustered, the new ids are matched to the old
    ones, and the update clips are assigned to the nearest centroid. Degrees of confusion are
    computed after that, with the new ids.

    The model has `embed`, and `classifier`, a linear layer of `k` outputs or None. The datasets of
    training and update set have `ids`, (N,) text, and `set_labels`, which replaces all labels by
    (N,) int64, also in running workers.

    Args:
        refine_every: epochs between clusterings; 0 keeps the first clusters (w/o Refinement).
        seed: of the initial centroids; the epoch is added to it.
        initial: path of `assignments.npz` of the warm-up run with this seed: `ids`, (M,) text, and
            `assign_0`, (M,) their clusters, see `FirstClustersHook`.
        reinit_head: rows of the classifier to initialise again after a clustering: those of
            `unmatched` ids, or `all`.
        shuffled: a control: each clip has the cluster id of another clip, so that clusters keep
            their sizes and change as much at each clustering, but say nothing about the clips. The
            permutation is drawn once a seed.
        k, restarts, spherical, init: see `ClusterOptions`.
    """

    priority = "NORMAL"

    def __init__(
        self,
        refine_every: int,
        seed: int,
        initial: str,
        reinit_head: str = "unmatched",
        shuffled: bool = False,
        **clusters: Any,
    ) -> None:
        super().__init__(seed, **clusters)
        self.refine_every, self.initial, self.reinit_head = refine_every, initial, reinit_head
        self.shuffled = shuffled
        # clusters of the clips by K-means, before they are shuffled
        self.assignments: dict[str, Tensor] = {}
        self.inertia: dict[int, float] = {}

    def before_train(self, runner: Runner) -> None:
        """Set the labels: the clusters of the warm-up, or those of a loaded checkpoint.

        Raises:
            UserError: the file of the warm-up is missing, or has no cluster for a clip.
        """
        assert self.update_set is not None
        if not self.assignments:
            if not Path(self.initial).is_file():
                raise UserError(
                    f"first clusters not found at {self.initial}; "
                    "train the warm-up of this plan and seed first"
                )
            with reading(Path(self.initial), "train the warm-up of this plan and seed again"):
                first = np.load(self.initial)
                known, clusters = _arrow(first["ids"]), first["assign_0"]
            for part, ids in (
                ("train", runner.train_dataloader.dataset.ids),
                ("update", self.update_set.ids),
            ):
                self.assignments[part] = _lookup(known, clusters, ids, self.initial)
                self.assignments[f"{part}_0"] = self.assignments[part].clone()
        self._publish(runner)

    def _publish(self, runner: Runner) -> None:
        assert self.update_set is not None
        runner.train_dataloader.dataset.set_labels(self._ids("train").long())
        self.update_set.set_labels(self._ids("update").long())

    def _ids(self, key: str) -> Tensor:
        """Cluster ids of the clips of a part as they are trained on; `key` is that of
        `assignments`."""
        ids = self.assignments[key]
        if not self.shuffled:
            return ids
        part = key.split("_")[0]
        rng = np.random.default_rng([self.seed, ("train", "update").index(part)])
        return ids[torch.from_numpy(rng.permutation(len(ids)))]

    def after_train_epoch(self, runner: Runner) -> None:
        """Cluster again after every `refine_every` epochs, except after the last.

        Raises:
            UserError: a feature is not finite.
        """
        epoch = runner.epoch + 1
        if not self.refine_every or epoch % self.refine_every or epoch >= runner.max_epochs:
            return
        clips, update = self.features(runner, "embed")
        k = self.clusters.k

        def recluster() -> tuple[np.ndarray, np.ndarray, list[int], float]:
            train, fresh, inertia = cluster(clips, update, self.clusters, self.seed + epoch)
            mapping, unmatched = match_clusters(self.assignments["train"].numpy(), train, k)
            renamed = (mapping[ids].astype(np.int32) for ids in (train, fresh))
            return *renamed, [int(mapping[new]) for new in unmatched], inertia

        train_ids, update_ids, renewed, self.inertia[epoch] = of_main_process(recluster)
        for part, ids in (("train", train_ids), ("update", update_ids)):
            self.assignments[part] = torch.from_numpy(ids)
            self.assignments[f"{part}_{epoch}"] = self.assignments[part].clone()
        model = unwrap(runner)
        if model.classifier is not None:
            rows = list(range(k)) if self.reinit_head == "all" else renewed
            _reinitialise(model.classifier, rows, self.seed + epoch)
        self._publish(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Add all clusterings so far to the checkpoint."""
        checkpoint["pseudo_labels"] = {
            "assignments": dict(self.assignments),
            "inertia": dict(self.inertia),
        }

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Restore the clusterings."""
        if "pseudo_labels" in checkpoint:
            kept = checkpoint["pseudo_labels"]["assignments"]
            # mmengine's own Runner loads them onto the GPU
            self.assignments = {part: ids.cpu() for part, ids in kept.items()}
            self.inertia = dict(checkpoint["pseudo_labels"]["inertia"])

    def result_files(self, runner: Runner) -> dict[str, dict[str, np.ndarray]]:
        """Arrays of assignments.npz: `ids` (training clips, then update clips), `epochs`, `inertia`
        (NaN for the first clustering, which comes from another run), and `assign_<epoch>` for the
        first clustering (epoch 0) and each later one."""
        assert self.update_set is not None
        train_ids = runner.train_dataloader.dataset.ids
        first = "train_"
        epochs = sorted(int(key[len(first) :]) for key in self.assignments if key.startswith(first))
        arrays = {
            "ids": np.concatenate([train_ids, self.update_set.ids]).astype(str),
            "epochs": np.array(epochs),
            "inertia": np.array([self.inertia.get(epoch, np.nan) for epoch in epochs]),
        }
        for epoch in epochs:
            parts = [self._ids(f"{part}_{epoch}") for part in ("train", "update")]
            arrays[f"assign_{epoch}"] = torch.cat(parts).numpy()
        return {"assignments.npz": arrays}


def _arrow(ids: np.ndarray) -> pa.Array:
    # arrow stores and looks up millions of ids in one block of memory
    return pa.array(ids, pa.large_string())


def _lookup(known: pa.Array, clusters: np.ndarray, ids: np.ndarray, source: str) -> Tensor:
    """(N,) int32 clusters of `ids`, given the `clusters` of the `known` ids."""
    places = pc.index_in(_arrow(ids), value_set=known)
    if places.null_count:
        first = ids[places.is_null().to_numpy(zero_copy_only=False)][0]
        raise UserError(
            f"{source} has no cluster for {places.null_count} of {len(ids)} clips, {first} first; "
            "train the warm-up again on this data"
        )
    return torch.from_numpy(clusters[places.to_numpy()].astype(np.int32))


def _reinitialise(classifier: torch.nn.Linear, rows: list[int], seed: int) -> None:
    """Initialise rows of a linear layer as torch initialises a new one; the global generator is not
    advanced."""
    if not rows:
        return
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        fresh = torch.nn.Linear(classifier.in_features, classifier.out_features)
        classifier.weight[rows] = fresh.weight[rows].to(classifier.weight)
        classifier.bias[rows] = fresh.bias[rows].to(classifier.bias)
