"""Cluster-guided pre-training (Sec. 2.3): cluster ids as labels, renewed every few epochs from the fused features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from diccae.engine.explain import explained
from diccae.engine.feature_extractor import extract, loader_of, of_main_process, unwrap
from diccae.errors import UserError
from diccae.functional.kmeans import kmeans, nearest_centroid
from diccae.functional.matching import match_clusters


@HOOKS.register_module()
class PseudoLabelHook(Hook):
    """Starts from the warm-up's clusters, re-clusters every `refine_every` epochs, keeps ids stable by Hungarian matching.

    At the end of an epoch: cluster the training clips, match the new ids to the old ones on them, assign the update clips to the nearest centroid. The confusion
    matrix is computed afterwards, on the new ids.

    Args:
        k, restarts, spherical, init: see `kmeans`.
        refine_every: epochs between clusterings; 0 keeps the first clusters (w/o Refinement).
        initial: `assignments.npz` of the warm-up run of this seed.
        reinit_head: which rows of a classifier start anew after a clustering: those of `unmatched` ids, or `all`.
    """

    priority = "NORMAL"

    def __init__(
        self,
        k: int,
        restarts: int,
        refine_every: int,
        seed: int,
        initial: str,
        spherical: bool = False,
        init: str = "random",
        reinit_head: str = "unmatched",
    ) -> None:
        self.k, self.restarts, self.refine_every, self.seed = k, restarts, refine_every, seed
        self.initial, self.spherical, self.init, self.reinit_head = (
            initial,
            spherical,
            init,
            reinit_head,
        )
        self.assignments: dict[str, torch.Tensor] = {}
        self.inertia: dict[int, float] = {}

    def before_train(self, runner: Runner) -> None:
        train: Any = runner.train_dataloader.dataset
        update = loader_of(runner, "update_dataloader").dataset
        if not self.assignments:
            if not Path(self.initial).is_file():
                raise UserError(
                    f"first clusters not found at {self.initial}; run `diccae warmup` for this plan and seed first"
                )
            first = np.load(self.initial)
            known, clusters = _ids(first["ids"]), first["assign_0"]
            self.assignments = {
                "train": _lookup(known, clusters, train.ids, self.initial),
                "update": _lookup(known, clusters, update.ids, self.initial),
            }
            self.assignments["train_0"], self.assignments["update_0"] = (
                self.assignments["train"].clone(),
                self.assignments["update"].clone(),
            )
        self._publish(runner)

    def _publish(self, runner: Runner) -> None:
        runner.train_dataloader.dataset.set_labels(self.assignments["train"].long())
        loader_of(runner, "update_dataloader").dataset.set_labels(self.assignments["update"].long())

    def after_train_epoch(self, runner: Runner) -> None:
        epoch = runner.epoch + 1
        if not self.refine_every or epoch % self.refine_every or epoch >= runner.max_epochs:
            return
        model = unwrap(runner)
        features = extract(
            model, loader_of(runner, "extract_dataloader"), model.embed, everywhere=False
        ).numpy()
        update = extract(
            model, loader_of(runner, "update_dataloader"), model.embed, everywhere=False
        ).numpy()

        @explained("clusters of the training clips")
        def recluster() -> tuple[np.ndarray, np.ndarray, list[int], float]:
            clustering = kmeans(
                features,
                self.k,
                restarts=self.restarts,
                seed=self.seed + epoch,
                spherical=self.spherical,
                init=self.init,
            )
            mapping, unmatched = match_clusters(
                self.assignments["train"].numpy(), clustering.assignments, self.k
            )
            fresh = nearest_centroid(update, clustering.centroids, spherical=self.spherical)
            renamed = (mapping[ids].astype(np.int32) for ids in (clustering.assignments, fresh))
            return *renamed, [int(mapping[new]) for new in unmatched], float(clustering.inertia)

        train_ids, update_ids, renewed, inertia = of_main_process(recluster)
        self.assignments["train"], self.assignments["update"] = (
            torch.from_numpy(train_ids),
            torch.from_numpy(update_ids),
        )
        for part in ("train", "update"):
            self.assignments[f"{part}_{epoch}"] = self.assignments[part].clone()
        self.inertia[epoch] = inertia
        if model.classifier is not None:
            rows = list(range(self.k)) if self.reinit_head == "all" else renewed
            _reinitialise(model.classifier, rows, self.seed + epoch)
        self._publish(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        checkpoint["pseudo_labels"] = {
            "assignments": dict(self.assignments),
            "inertia": dict(self.inertia),
        }

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        if "pseudo_labels" in checkpoint:
            self.assignments = dict(checkpoint["pseudo_labels"]["assignments"])
            self.inertia = dict(checkpoint["pseudo_labels"]["inertia"])

    def table(self, train_ids: np.ndarray, update_ids: np.ndarray) -> dict[str, np.ndarray]:
        """What assignments.npz holds: `ids` (training clips, then update clips) and `assign_<epoch>` for the first clustering (0) and each later one."""
        epochs = sorted(
            int(key.split("_")[1]) for key in self.assignments if key.startswith("train_")
        )
        table = {
            "ids": np.concatenate([train_ids, update_ids]).astype(str),
            "epochs": np.array(epochs),
        }
        for epoch in epochs:
            table[f"assign_{epoch}"] = torch.cat(
                [self.assignments[f"train_{epoch}"], self.assignments[f"update_{epoch}"]]
            ).numpy()
        return table


def _ids(ids: np.ndarray) -> pa.Array:
    # arrow keeps the text of millions of ids in one piece of memory, and looks them up there
    return pa.array(ids, pa.large_string())


def _lookup(known: pa.Array, clusters: np.ndarray, ids: np.ndarray, source: str) -> torch.Tensor:
    """(N,) int32 clusters of `ids`, by the clusters of the `known` ids."""
    places = pc.index_in(_ids(ids), value_set=known)
    if places.null_count:
        first = ids[places.is_null().to_numpy(zero_copy_only=False)][0]
        raise UserError(
            f"{source} has no cluster for {places.null_count} of {len(ids)} clips, {first} first; run `diccae warmup` again on this data"
        )
    return torch.from_numpy(clusters[places.to_numpy()].astype(np.int32))


def _reinitialise(classifier: torch.nn.Linear, rows: list[int], seed: int) -> None:
    """Fresh rows of a linear layer, drawn as torch draws a new one, from a generator of their own."""
    if not rows:
        return
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        fresh = torch.nn.Linear(classifier.in_features, classifier.out_features)
        classifier.weight[rows] = fresh.weight[rows].to(classifier.weight)
        classifier.bias[rows] = fresh.bias[rows].to(classifier.bias)
