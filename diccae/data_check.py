"""Whether the clips of a plan are those that its runs need: classes, splits, and how many of each.

`diccae plan`, `doctor`, `data manifest`, `data cache`, `train` and the workflow ask here before
anything is trained. The rules follow `diccae.compose`, `AVClipDataset`, `PKSampler` and the hooks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from diccae.clip_counts import Clips
from diccae.clip_modality import without_picture
from diccae.clips_of_plan import count_each
from diccae.errors import UserError
from diccae.plans import Plan
from diccae.run_graph import Run, runs_of_a_seed
from diccae.schedule import classes_per_batch
from diccae.settings import plan_settings

LABELLED_SPLITS = ("train", "update", "validation", "test")


def check_data(
    plan: Plan,
    clips: Sequence[Clips] | None = None,
    runs: Iterable[Run] | None = None,
    processes: int = 1,
) -> None:
    """Check the clips of a plan against what its runs need.

    Args:
        plan: the plan.
        clips: number of its clips, in each fold if the plan has folds; by default from cache,
            manifest or lists, see `count_each`.
        runs: the runs to check, in the folds of their seeds; by default those of the plan's first
            seed, in all folds of all seeds.
        processes: number of processes that train together.

    Raises:
        UserError: the clips are not those that the runs need; names the keys, what was wanted and
            found, and what to change.
    """
    every = list(runs_of_a_seed(plan) if runs is None else runs)
    if clips is None:
        trained = None if runs is None else dict.fromkeys((run.seed, run.fold) for run in every)
        clips = count_each(plan, trained)
    every = [run for run in every if run.fold == every[0].fold]  # those of all folds are alike
    for counted in clips:
        check = _Check(counted, processes)
        classes = check.classes(plan_settings(plan)["data"]["num_classes"])
        problems = [*without_picture(plan, counted), *classes]
        # what a stage lacks may follow from wrong classes
        if not problems:
            of_runs = (check.labelled(r) if r.spec.labelled else check.pool(r) for r in every)
            problems = [*dict.fromkeys(chain.from_iterable(of_runs)), *check.batches()]
        if problems:
            raise UserError(f"plan {plan.name}: {' | '.join(problems)} ({counted.origin})")


@dataclass(frozen=True)
class _Check:
    """What is wrong, each with its way out."""

    clips: Clips
    processes: int
    # the clips that are too few for a batch -> the keys of the batches, with their sizes
    too_few: dict[str, dict[str, int]] = field(default_factory=dict)

    def batches(self) -> Iterator[str]:
        """Of the stages with fewer clips than a batch, those with the same clips together."""
        several = f" on each of {self.processes} processes" if self.processes > 1 else ""
        for words, sizes in self.too_few.items():
            keys = " and ".join(f"{key} {size}" for key, size in sizes.items())
            them = "it" if len(sizes) == 1 else "them"
            yield f"{words} are too few for {keys}{several}; lower {them}"

    def classes(self, wanted: int) -> Iterator[str]:
        """Of the number of classes, and of the labels and splits of the clips."""
        clips = self.clips
        if clips.by_class is None:
            return
        found, most = len(clips.names), max(clips.names, default=-1) + 1
        gaps = sorted(set(range(most)) - set(clips.names))
        if gaps:
            yield (
                f"no clip has label {gaps[0]}, but labels go up to {most - 1}; number the classes "
                "from 0 without gaps, or add the clips that are missing"
            )
        elif found < 2:
            yield (
                f"wanted data.num_classes {wanted} classes, but the clips have {found}; name the "
                "class of every labelled clip"
            )
        elif found != wanted:
            first = ", ".join(list(clips.names.values())[:3]) + (", ..." if found > 3 else "")
            yield (
                f"data.num_classes is {wanted}, but the clips have {found} classes, {first}; set "
                f"data.num_classes: {found} in the plan's overrides"
            )
        for split in LABELLED_SPLITS:
            if clips.by_class[split, -1]:
                yield (
                    f"{clips.by_class[split, -1]} clips of split {split} have no label; give each "
                    "its class, or move it to split unlabelled"
                )
        for split, _ in clips.counts:
            known = split.strip().lower()
            if split != known and known in (*LABELLED_SPLITS, "unlabelled"):
                yield f"split {split!r} is not known; write {known!r}"

    def pool(self, run: Run) -> Iterator[str]:
        """Of a stage without labels: its batches, clusters, and clips that are withheld."""
        settings, clips = run.settings, self.clips
        data, use = settings.base["data"], run.data_use
        splits, withheld = data["pretrain_splits"], data["update_unlabelled"]
        whole, name = clips.of(splits), f"data.pretrain_splits [{', '.join(splits)}]"
        unknown = [s for s in splits if s not in ("unlabelled", "train") and not clips.of([s])]
        if not whole or unknown:
            where = f"split {unknown[0]!r} of {name}" if unknown and whole else name
            yield (
                f"there is no clip in {where} to pre-train on; set data.pretrain_splits: "
                "[unlabelled, train] in the plan's overrides, to use training clips without their "
                "labels too, or add clips of this split"
            )
            return
        if withheld >= whole or (use.update == "held_out" and not withheld):
            yield (
                f"data.update_unlabelled is {withheld}, of {whole} clips in {name}; set a "
                "smaller number, at least 1"
            )
            return
        sources = None if use.sources is None else list(use.sources)
        missing = [s for s in sources or [] if not clips.of(splits, [s])]
        if missing:
            known = sorted({source for split, source in clips.counts if split in splits})
            yield (
                f"{run.stage} of {run.variant} has no clip of source {missing[0]!r}; change "
                f"sources in the variant, or leave it out of the plan: the clips of {name} come "
                f"from {', '.join(known)}"
            )
            return
        # in proportion: which clips are withheld is drawn by seed
        kept = round(clips.of(splits, sources) * (whole - withheld) / whole)
        left = f"{kept} clips of {name} without the {withheld} of data.update_unlabelled"
        self._batch(run, kept, left)
        clusters, limit = settings.system.clusters(settings.choices).get("k", 0), self._limit(run)
        if use.clusterings and min(kept, limit) < clusters:
            few = left if kept <= limit else f"the {limit:.0f} clips of schedule.{run.stage}.steps"
            yield f"{few} are too few for method.kmeans_k {clusters} clusters; lower it"
        first = [parent for parent in run.parents.values() if parent.data_use.clusterings]
        for parent in first if use.clusters else []:
            # the clips of a smaller limit are among those of a larger one
            most, alike = self._limit(parent), parent.data_use.sources == use.sources
            if most < whole - withheld and (min(kept, limit) > most or not alike):
                yield (
                    f"schedule.{parent.stage}.steps clusters {most:.0f} clips, and {run.stage} "
                    f"trains on others too; raise schedule.{parent.stage}.steps"
                )
        if use.update_passes and withheld < 2 * clusters:
            yield (
                f"data.update_unlabelled is {withheld} for method.kmeans_k {clusters} clusters, "
                "and a cluster of fewer than 2 update clips has no circle; raise "
                f"data.update_unlabelled to {2 * clusters} or more, or lower method.kmeans_k"
            )

    def labelled(self, run: Run) -> Iterator[str]:
        """Of a stage with labels: its splits, classes, update set and batches."""
        data, use = run.settings.base["data"], run.data_use
        per_class = data["train_per_class"]
        splits = {"train": per_class or 1} | ({"test": 1} if run.spec.scored else {})
        if use.update is not None:
            # a portion of the test split leaves a part of it to be scored
            splits[use.update] = (data["update_per_class"] or 2) + (use.update == "test")
        for split, wanted in splits.items():
            yield from self._each_class(run, split, wanted)
        if run.spec.scored and not self.clips.of(["validation"]):
            yield (
                f"{run.stage} has no clip in split validation, which it scores; raise "
                "lists.validation_per_class, or move some clips to split validation"
            )
        sizes = self.clips.of_classes("train")
        drawn = {label: per_class or size for label, size in sizes.items()}
        trained = sum(drawn.values()) if drawn else self.clips.of(["train"])
        enough = self._batch(run, trained, f"{trained} clips of split train")
        if use.batches == "p_x_k" and drawn and enough:
            yield from self._p_x_k(run, drawn)

    def _limit(self, run: Run) -> float:
        """The most clips that a stage with a budget in steps takes."""
        budget = run.settings.schedule.stages[run.stage]
        steps = math.inf if budget.steps is None else budget.steps
        return self.processes * steps * budget.batch_size

    def _batch(self, run: Run, clips: int, words: str) -> bool:
        """Whether these clips are enough for a batch; else notes them for `batches`."""
        size = run.settings.schedule.stages[run.stage].batch_size
        if clips >= size * self.processes:
            return True
        self.too_few.setdefault(words, {})[f"schedule.{run.spec.budget_key}.batch_size"] = size
        return False

    def _each_class(self, run: Run, split: str, wanted: int) -> Iterator[str]:
        """Of the clips of each class in a split."""
        sizes = self.clips.of_classes(split)
        few = {label: size for label, size in sizes.items() if size < wanted}
        if not self.clips.of([split]):
            yield f"{run.stage} has no clip in split {split}, which {_NO_CLIP[split]}"
        elif few:
            label, size = min(few.items(), key=lambda item: item[1])
            others = len(few) - 1
            have = "class has" if others == 1 else "classes have"
            more = f" ({others} more {have} too few)" if others else ""
            yield (
                f"class {self.clips.names[label]!r} has {size} clips in split {split}{more}, and "
                f"{run.stage} wants {wanted} or more; {_TOO_FEW[split]}"
            )

    def _p_x_k(self, run: Run, sizes: dict[int, int]) -> Iterator[str]:
        """Of batches in which no clip may occur twice."""
        samples = run.settings.base["data"]["samples_per_class"]
        batch = run.settings.schedule.stages[run.stage].batch_size
        label, size = min(sizes.items(), key=lambda item: item[1])
        groups = sum(size // samples for size in sizes.values())
        if 0 < size < samples:
            fewer = f"lower it to {size}, " if size > 1 else ""
            yield (
                f"class {self.clips.names[label]!r} has {size} clips to train on, and P x K "
                f"batches take data.samples_per_class {samples}; {fewer}add clips of this class, "
                "or set method.finetune_batches: uniform"
            )
        elif groups < classes_per_batch(batch, samples):
            yield (
                f"the classes have {groups} groups of data.samples_per_class {samples} clips, and "
                f"a batch of {batch} takes {batch // samples}; lower "
                f"schedule.{run.stage}.batch_size to {groups * samples}, or data.samples_per_class"
            )


_NO_CLIP = {
    "train": "it trains on; move some clips of each class to split train",
    "update": "the weights of the losses come from; raise lists.update_per_class, or move "
    "some clips of each class to split update",
    "test": "it scores; move some clips of each class to split test, or set data.folds",
}
_TOO_FEW = {
    "train": "lower data.train_per_class (null for all clips), or add clips of this class",
    "update": "lower data.update_per_class, or raise lists.update_per_class and make the manifest "
    "again",
    "test": "add test clips of this class, or lower data.update_per_class if a variant takes its "
    "update set from them",
}
