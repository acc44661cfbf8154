"""Clips of the cache as an mmaction2 dataset: which rows a run reads, and with which labels."""

from __future__ import annotations

import copy
import mmap
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from mmaction.registry import DATASETS, TRANSFORMS
from mmengine.dataset import Compose
from torch.utils.data import Dataset

from diccae.datasets.clip_cache import load_cache
from diccae.datasets.folds import fold_splits
from diccae.datasets.modalities import ARRAYS, Kind
from diccae.errors import UserError


@DATASETS.register_module()
class AVClipDataset(Dataset):
    """Rows of a clip cache, selected by split, source and seed, with labels in shared memory.

    Labels (pseudo-labels in pre-training) and the epoch are shared tensors, so that a change that
    a hook makes in the main process reaches workers that are already running.

    Args:
        cache_dir: folder of the clip cache.
        splits: splits of the manifest to take.
        pipeline: transforms; random ones draw from a generator seeded with (seed, epoch, row).
        seed: seed of the run: selects the labelled subset and the held-out clips.
        modalities: 'audio', 'video' or both.
        sources: sources to keep; None for all.
        per_class: clips to draw from each class; None for all.
        holdout: number of clips to hold out of the pool of all chosen splits.
        held_out: whether to take the held-out clips instead of the rest.
        limit: the most clips to take, drawn at random; None for all.
        folds: the fold whose clips are tested, see `fold_splits`; None where the splits of the
            manifest hold.
        permuted: a control: the clips have the labels of other clips, in a permutation drawn by
            `seed`, so that each label stays as frequent.
        augmentation_seed: takes the place of `seed` in the transforms; None for `seed`.
        test_mode: set by mmengine's tools and by test configs; without effect here.

    Attributes:
        rows: (N,) int64, rows of the cache.
        labels: (N,) int64, class indices; -1 for none.
        epoch: (1,) int64, see `set_epoch`.
        metainfo: `classes`, the class names in the order of their indices.

    Raises:
        UserError: the cache is missing, damaged, out of date or without a modality, no clip is
            left, a source is unknown, or a class or the pool has too few clips.
    """

    def __init__(
        self,
        cache_dir: str,
        splits: Sequence[str],
        pipeline: Sequence[dict[str, Any]],
        seed: int = 0,
        modalities: Sequence[Kind] = ("audio", "video"),
        sources: Sequence[str] | None = None,
        per_class: int | None = None,
        holdout: int = 0,
        held_out: bool = False,
        limit: int | None = None,
        folds: dict[str, Any] | None = None,
        permuted: bool = False,
        augmentation_seed: int | None = None,
        test_mode: bool = False,
    ) -> None:
        self.cache = load_cache(cache_dir, [ARRAYS[modality] for modality in modalities])
        self.cache_dir, self.seed, self.modalities = cache_dir, seed, tuple(modalities)
        self.per_class, self.permuted = per_class, permuted
        self.augmentation_seed = seed if augmentation_seed is None else augmentation_seed
        self.pipeline = Compose([TRANSFORMS.build(step) for step in pipeline])
        index = self.cache.index
        if folds is not None:
            index = index.assign(split=fold_splits(index, folds, seed))
        chosen = index["split"].isin(list(splits)) & (index["status"] == "ok")
        if sources is not None:
            missing = set(sources) - set(index["source"])
            if missing:
                raise UserError(
                    f"{cache_dir}: no clips of source {sorted(missing)}; "
                    f"known sources: {sorted(set(index['source']))}"
                )
        self.pool = np.flatnonzero(chosen.to_numpy())
        # arrays, not one Python object per clip: reading an object changes its reference count,
        # so that every worker would end up with a copy of its memory
        split = pd.Categorical(index["split"])
        self.split_codes, self.split_names = split.codes, tuple(split.categories)
        self.all_labels = index["label"].to_numpy()
        if len(self.pool) == 0:
            raise UserError(
                f"{cache_dir}: no usable clip in split {list(splits)}; "
                f"see the status column of {cache_dir}/index.parquet"
            )
        rows = self.pool
        if holdout:
            if holdout >= len(rows):
                raise UserError(
                    f"data.update_unlabelled: wanted {holdout} held-out clips, got a pool of "
                    f"{len(rows)}; lower it in the plan"
                )
            withheld = _whole_groups(index["group"].to_numpy()[rows], holdout, [seed, 1])
            rows = rows[withheld == held_out]
        if sources is not None:
            rows = rows[index["source"].isin(list(sources)).to_numpy()[rows]]
        if per_class is not None:
            rows = self._draw(rows, per_class, [seed, 2])
        if limit is not None:
            rows = np.sort(np.random.default_rng([seed, 6]).permutation(rows)[:limit])
        self.rows = _shared(rows)
        self.labels = _shared(self._labels_of(rows))
        names = (
            index[index["label"] >= 0].drop_duplicates("label").sort_values("label")["label_name"]
        )
        self.metainfo = {"classes": tuple(names)}
        self.epoch = _shared(np.zeros(1, np.int64))

    def _draw(self, rows: np.ndarray, per_class: int, seed: list[int]) -> np.ndarray:
        generator = np.random.default_rng(seed)
        labels = self.all_labels[rows]
        chosen = []
        for label in np.unique(labels):
            members = rows[labels == label]
            if len(members) < per_class:
                raise UserError(
                    f"{self.cache_dir}: class {label} has {len(members)} usable clips, wanted "
                    f"{per_class}; lower data.train_per_class / data.update_per_class in the plan"
                )
            chosen.append(generator.permutation(members)[:per_class])
        return np.sort(np.concatenate(chosen))

    def _labels_of(self, rows: np.ndarray) -> np.ndarray:
        labels = self.all_labels[rows].astype(np.int64)
        if self.permuted:
            # with the first row, so that no two sets of clips share a permutation
            labels = np.random.default_rng([self.seed, 12, rows[0]]).permutation(labels)
        return labels

    def redraw(self, epoch: int) -> None:
        """Draw `per_class` clips of each class anew (`update_redraw='each_epoch'`).

        A dataset without `per_class` stays as it is: there is nothing to draw.

        Args:
            epoch: index of the epoch, which seeds the draw.
        """
        if self.per_class is not None:
            rows = self._draw(self.pool, self.per_class, [self.seed, 3, epoch])
            self.rows.copy_(torch.from_numpy(rows))
            self.labels.copy_(torch.from_numpy(self._labels_of(rows)))

    def at(self, rows: np.ndarray) -> AVClipDataset:
        """A dataset of the same kind whose clips are the given rows of the cache, (M,) int64, in
        their order and with the labels of the manifest."""
        other = copy.copy(self)
        other.rows = _shared(rows)
        other.labels = _shared(self.all_labels[rows].astype(np.int64))
        return other

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch that seeds the augmentation, in this process and in running workers."""
        self.epoch[0] = epoch

    def set_labels(self, labels: torch.Tensor) -> None:
        """Replace all labels, (N,) int64, in this process and in running workers."""
        self.labels.copy_(labels)

    @property
    def ids(self) -> np.ndarray:
        """(N,) ids of the clips, as text of one width."""
        return self.cache.index["id"].take(self.rows.numpy()).to_numpy(dtype=str)

    @property
    def clips(self) -> pd.DataFrame:
        """id, label and split of the clips; the split is that of the fold, if there is one."""
        rows = self.rows.numpy()
        clips = self.cache.index.iloc[rows][["id", "label"]].reset_index(drop=True)
        return clips.assign(split=np.array(self.split_names)[self.split_codes[rows]])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The sample at position `index`, as the pipeline returns it."""
        return self._load(int(self.rows[index]), int(self.labels[index]), int(self.epoch[0]))

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """The samples of a batch; torch's data loader calls this instead of `__getitem__`."""
        rows, labels = self.rows[indices].tolist(), self.labels[indices].tolist()
        epoch = int(self.epoch[0])
        return [self._load(row, label, epoch) for row, label in zip(rows, labels, strict=True)]

    def _load(self, row: int, label: int, epoch: int) -> dict[str, Any]:
        return self.pipeline(
            {
                "cache": self.cache,
                "row": row,
                "label": label,
                "split": self.split_names[self.split_codes[row]],
                "modalities": self.modalities,
                "seed": (self.augmentation_seed, epoch, row),
            }
        )


def _whole_groups(groups: np.ndarray, clips: int, seed: list[int]) -> np.ndarray:
    """Which of N clips are drawn, bool (N,): whole groups in random order, until there are at least
    `clips`."""
    codes, names = pd.factorize(groups)
    order = np.random.default_rng(seed).permutation(len(names))
    before = np.cumsum(np.bincount(codes)[order]) - np.bincount(codes)[order]
    drawn = np.zeros(len(names), bool)
    drawn[order[before < clips]] = True
    return drawn[codes]


def _shared(values: np.ndarray) -> torch.Tensor:
    """A copy in memory that forked processes share.

    `Tensor.share_memory_` takes room in /dev/shm, of which a container may have little.
    """
    array: np.ndarray = np.ndarray(
        values.shape, values.dtype, buffer=mmap.mmap(-1, max(1, values.nbytes))
    )
    array[...] = values
    return torch.from_numpy(array)
