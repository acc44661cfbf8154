"""Clips of the cache as an mmaction2 dataset: which rows a run sees, under which labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from mmaction.registry import DATASETS, TRANSFORMS
from mmengine.dataset import Compose
from torch.utils.data import Dataset

from diccae.datasets.clip_cache import load_cache
from diccae.errors import UserError


@DATASETS.register_module()
class AVClipDataset(Dataset):
    """Rows of a clip cache, selected by split, source and seed, with labels that live in shared memory.

    Labels (pseudo-labels in pre-training) and the epoch are shared tensors, so that a change made by a hook in the main process reaches workers
    that were started epochs ago.

    Args:
        cache_dir: folder of the clip cache.
        splits: splits of the manifest to take.
        pipeline: transforms; each sample is augmented by a generator seeded with (seed, epoch, row), whoever loads it.
        seed: seed of the run: selects the labelled subset and the held-out clips.
        modalities: 'audio', 'video' or both.
        sources: sources to keep; None for all.
        per_class: clips a class to draw (by `draw_seed`, or `seed`); None for all.
        holdout: clips to hold out of an unlabelled pool; `held_out` selects those instead of the rest.
        limit: clips to draw of what is left, by `seed`; None for all.
        test_mode: no shuffling augmentation is expected of the pipeline; kept because mmengine's tools set it.
    """

    def __init__(
        self,
        cache_dir: str,
        splits: Sequence[str],
        pipeline: Sequence[dict[str, Any]],
        seed: int = 0,
        modalities: Sequence[str] = ("audio", "video"),
        sources: Sequence[str] | None = None,
        per_class: int | None = None,
        draw_seed: int | None = None,
        holdout: int = 0,
        held_out: bool = False,
        limit: int | None = None,
        test_mode: bool = False,
    ) -> None:
        self.cache = load_cache(cache_dir)
        self.cache_dir, self.seed, self.modalities = cache_dir, seed, tuple(modalities)
        self.per_class, self.draw_seed = per_class, seed if draw_seed is None else draw_seed
        self.pipeline = Compose([TRANSFORMS.build(step) for step in pipeline])
        index = self.cache.index
        chosen = index["split"].isin(list(splits)) & (index["status"] == "ok")
        if sources is not None:
            missing = set(sources) - set(index["source"])
            if missing:
                raise UserError(
                    f"{cache_dir}: no clips of source {sorted(missing)}; known sources: {sorted(set(index['source']))}"
                )
        self.pool = np.flatnonzero(chosen.to_numpy())
        # no Python object a clip: workers would copy the memory of those when they count references
        split = pd.Categorical(index["split"])
        self.split_codes, self.split_names = split.codes, tuple(split.categories)
        self.all_labels = index["label"].to_numpy()
        if len(self.pool) == 0:
            raise UserError(
                f"{cache_dir}: no usable clip in split {list(splits)}; see the status column of {cache_dir}/index.parquet"
            )
        rows = self.pool
        if holdout:
            if holdout >= len(rows):
                raise UserError(
                    f"data.update_unlabelled: wanted {holdout} held-out clips of {len(rows)} unlabelled ones; lower it in the plan"
                )
            order = np.random.default_rng([seed, 1]).permutation(len(rows))
            rows = np.sort(rows[order[:holdout] if held_out else order[holdout:]])
        if sources is not None:
            rows = rows[index["source"].isin(list(sources)).to_numpy()[rows]]
        if per_class is not None:
            rows = self._draw(rows, per_class, [self.draw_seed, 2])
        if limit is not None:
            rows = np.sort(np.random.default_rng([seed, 6]).permutation(rows)[:limit])
        self.rows = torch.from_numpy(np.ascontiguousarray(rows)).share_memory_()
        self.labels = torch.from_numpy(self.all_labels[rows].astype(np.int64)).share_memory_()
        names = (
            index[index["label"] >= 0].drop_duplicates("label").sort_values("label")["label_name"]
        )
        self.metainfo = {"classes": tuple(names)}
        self.epoch = torch.zeros(1, dtype=torch.int64).share_memory_()

    def _draw(self, rows: np.ndarray, per_class: int, seed: list[int]) -> np.ndarray:
        generator = np.random.default_rng(seed)
        labels = self.all_labels[rows]
        chosen = []
        for label in np.unique(labels):
            members = rows[labels == label]
            if len(members) < per_class:
                raise UserError(
                    f"{self.cache_dir}: class {label} has {len(members)} usable clips, wanted {per_class}; "
                    "lower data.train_per_class / data.update_per_class in the plan"
                )
            chosen.append(generator.permutation(members)[:per_class])
        return np.sort(np.concatenate(chosen))

    def redraw(self, epoch: int) -> None:
        """Take another draw of the same size from the splits (`update_redraw='each_epoch'`); a held-out pool, drawn whole, stays as it is."""
        if self.per_class is not None:
            rows = self._draw(self.pool, self.per_class, [self.draw_seed, 3, epoch])
            self.rows.copy_(torch.from_numpy(rows))
            self.labels.copy_(torch.from_numpy(self.all_labels[rows].astype(np.int64)))

    def set_epoch(self, epoch: int) -> None:
        self.epoch[0] = epoch

    def set_labels(self, labels: torch.Tensor) -> None:
        """Replace every label, (N,) int64; visible to running workers."""
        self.labels.copy_(labels)

    @property
    def ids(self) -> np.ndarray:
        """(N,) ids of the clips, as text of one width."""
        return self.cache.index["id"].take(self.rows.numpy()).to_numpy(dtype=str)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = int(self.rows[index])
        return self.pipeline(
            {
                "cache": self.cache,
                "row": row,
                "label": int(self.labels[index]),
                "split": self.split_names[self.split_codes[row]],
                "modalities": self.modalities,
                "seed": (self.seed, int(self.epoch[0]), row),
            }
        )
