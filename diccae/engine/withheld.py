"""Top-1 of an A-V model with one modality withheld, which something else stands in for.

These are scores of the model that was fine-tuned on both modalities, not of one that was fine-tuned
on a single one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from logging import Logger
from typing import Any

import numpy as np
import pandas as pd
import torch
from mmengine.dataset import DefaultSampler
from mmengine.dist import all_reduce, get_dist_info, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor
from torch.utils.data import DataLoader

from diccae.engine.feature_extractor import GatheredRows, preprocessed, unwrap
from diccae.errors import UserError
from diccae.evaluation.withheld import ANOTHER_CLIP, KINDS, MEAN, ZEROS, other_clips

# the mean input is that of at most so many training clips, drawn by the seed of the run
MEAN_CLIPS = 2000
Parts = dict[str, Tensor]


class WithheldHook(Hook):
    """While a runner tests a model of both modalities, scores it with each of them withheld, in
    each filling.

    - `zeros`: the input of the network, after normalisation, is zero.
    - `mean`: it is the mean input of the training clips of the run, view by view.
    - `another_clip`: it is that of another clip of the same split, which may be of the same class.
      Which one is a random permutation without fixed points, drawn by the seed of the run. A split
      of a single clip has no other: it is left out, and a warning says so.

    All views are averaged. The features of a model with separate encoders are kept from the test,
    and only fused again; any other model computes a forward pass for each filling.

    Args:
        seed: of the run.

    Attributes:
        table: one row for each clip, withheld modality and filling: id, label, split, withheld
            (`audio` or `video`), filling, top1 (class index). Set by `after_test_epoch` in the main
            process, and empty in the others.
    """

    # before EMAHook takes the averaged weights out of the model
    priority = "VERY_HIGH"

    def __init__(self, seed: int) -> None:
        self.seed, self.table = seed, pd.DataFrame()

    def before_test_epoch(self, runner: Runner) -> None:
        """Keep the features of the test, if the model has separate encoders."""
        self.loader: DataLoader = runner.test_dataloader
        self.dataset: Any = self.loader.dataset
        self.clips = self.dataset.clips
        self.others = other_clips(self.clips["split"].to_numpy(str), self.seed)
        self._kept: dict[str, GatheredRows] = {}
        self._shapes: dict[str, torch.Size] = {}
        model = unwrap(runner)
        model.on_features = self._keep if model.separate_encoders else None

    def _keep(self, features: Parts) -> None:
        for name, value in features.items():
            rows = self._kept.setdefault(name, GatheredRows(len(self.clips), everywhere=False))
            rows.add(value.flatten(1))
            self._shapes[name] = value.shape[1:]

    @torch.no_grad()
    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Compute the table.

        Raises:
            UserError: a score is not finite.
        """
        model = unwrap(runner)
        model.on_features = None
        fillings = self._fillings(model, runner.train_dataloader.dataset.rows.numpy())
        if model.separate_encoders:
            top1 = self._from_features(model, fillings)
        else:
            top1 = self._from_inputs(model, fillings)
        if is_main_process():
            self.table = self._table(top1, runner.logger)

    def _fillings(self, model: Any, training: np.ndarray) -> dict[str, Parts]:
        """What stands for the input of each modality, or for its features, (1, ...).

        Args:
            model: the recogniser.
            training: rows of the training clips.
        """
        order = np.random.default_rng([self.seed, 8]).permutation(training)
        mean = mean_input(model, self._reading(np.sort(order[:MEAN_CLIPS])))
        zeros = {name: torch.zeros_like(value) for name, value in mean.items()}
        inputs = {ZEROS: zeros, MEAN: mean}
        if not model.separate_encoders:
            return inputs
        return {filling: model.encode_views(parts) for filling, parts in inputs.items()}

    def _reading(self, rows: np.ndarray) -> DataLoader:
        """A loader like that of the test set, of other clips."""
        like, dataset = self.loader, self.dataset.at(rows)
        return DataLoader(
            dataset,
            batch_size=like.batch_size,
            sampler=DefaultSampler(dataset, shuffle=False),
            num_workers=like.num_workers,
            collate_fn=like.collate_fn,
            pin_memory=like.pin_memory,
        )

    def _from_features(self, model: Any, fillings: Mapping[str, Parts]) -> Tensor:
        """(N, 6) top-1 in the main process, which alone has all features."""
        device = next(model.parameters()).device
        found = [torch.empty(0, len(KINDS))]
        # nothing was kept in the other processes
        count = len(self.clips) if is_main_process() else 0
        others = torch.from_numpy(self.others)
        for rows in torch.arange(count).split(self.loader.batch_size or 1):
            own, stand_in = (
                {
                    name: kept.rows[chosen].unflatten(1, self._shapes[name]).to(device)
                    for name, kept in self._kept.items()
                }
                for chosen in (rows, others[rows])
            )
            found.append(_top1(model.mean_scores, own, stand_in, fillings))
        return torch.cat(found)

    def _from_inputs(self, model: Any, fillings: Mapping[str, Parts]) -> Tensor:
        """(N, 6) top-1 in the main process; each process computes that of its own clips."""
        gathered = GatheredRows(len(self.clips), everywhere=False)
        rows = self.dataset.rows.numpy()
        partners = preprocessed(model, self._reading(rows[self.others]))
        score = partial(_scores_of_inputs, model)
        for own, others in zip(preprocessed(model, self.loader), partners, strict=True):
            gathered.add(_top1(score, own, others, fillings))
        return gathered.rows

    def _table(self, top1: Tensor, logger: Logger) -> pd.DataFrame:
        alone = self.others == np.arange(len(self.others))
        frames = []
        for column, (withheld, filling) in enumerate(KINDS):
            frame = self.clips.assign(withheld=withheld, filling=filling)
            frame["top1"] = top1[:, column].numpy().astype(np.int32)
            frames.append(frame[~alone] if filling == ANOTHER_CLIP else frame)
        for split in self.clips.loc[alone, "split"]:
            logger.warning(
                f"the split {split} has a single clip, so {ANOTHER_CLIP} is left out of its "
                "scores with a modality withheld"
            )
        table = pd.concat(frames, ignore_index=True)
        bad = table[table["top1"] < 0]
        if len(bad):
            first = bad.iloc[0]
            raise UserError(
                f"the model gives {len(bad)} scores that are not finite with a modality withheld, "
                f"first for clip {first['id']} ({first['withheld']}, {first['filling']}): training "
                "diverged; lower schedule.finetune.lr in the plan and train this run again"
            )
        return table.sort_values(["split", "withheld", "filling", "id"], ignore_index=True)


@torch.no_grad()
def mean_input(model: Any, loader: DataLoader) -> Parts:
    """The mean input (1, ...) of each modality over the clips of a loader that does not shuffle.

    With several processes each reads its share, and all get the mean of all clips.

    Args:
        model: a recogniser, whose preprocessor normalises the input.
        loader: its clips.
    """
    rank, processes = get_dist_info()
    clips = len(loader.dataset)  # type: ignore[arg-type]
    sums: Parts = {}
    begin = 0
    for inputs in preprocessed(model, loader):
        size = len(next(iter(inputs.values())))
        # clip i of process r is clip i x processes + r; the sampler repeats clips at the end
        own = sum(i * processes + rank < clips for i in range(begin, begin + size))
        for name, value in inputs.items():
            total = value[:own].sum(0, dtype=torch.float64)
            sums[name] = sums[name] + total if name in sums else total
        begin += size
    for total in sums.values():
        all_reduce(total)
    return {name: (total / clips).float()[None] for name, total in sums.items()}


def _scores_of_inputs(model: Any, inputs: Parts) -> Tensor:
    return model.mean_scores(model.encode_views(inputs))


def _top1(
    score: Callable[[Parts], Tensor], own: Parts, others: Parts, fillings: Mapping[str, Parts]
) -> Tensor:
    """(B, 6) top-1 of a batch by withheld modality and filling; -1 where a score is not finite.

    Args:
        score: from the inputs of both modalities, or from their features, to scores (B, C).
        own, others: those of the clips, and of the clips that stand in for them.
        fillings: what stands for every clip, (1, ...).
    """
    columns = []
    for withheld, filling in KINDS:
        stand_in = others if filling == ANOTHER_CLIP else fillings[filling]
        scores = score(own | {withheld: stand_in[withheld].expand_as(own[withheld])})
        values = scores.cpu().numpy()
        # of equal scores the first, as in the predictions
        best = np.where(np.isfinite(values).all(1), values.argmax(1), -1)
        columns.append(torch.from_numpy(best))
    return torch.stack(columns, dim=1).float()
