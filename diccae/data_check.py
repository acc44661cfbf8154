"""Whether the clips of a plan are those that its runs need: classes, splits, and how many of each.

`diccae plan`, `doctor`, `data manifest`, `data cache`, `train` and the workflow ask here, so that
nothing is trained on data that does not suit the plan. The rules follow `diccae.compose`,
`AVClipDataset`, `PKSampler` and the hooks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from diccae.clip_counts import Clips, count_clips
from diccae.errors import UserError
from diccae.plans import Plan
from diccae.run_graph import Run, runs_of_a_seed
from diccae.schedule import classes_per_batch
from diccae.settings import plan_settings

LABELLED_SPLITS = ("train", "update", "validation", "test")


def check_data(
    plan: Plan,
    clips: Clips | None = None,
    runs: Iterable[Run] | None = None,
    processes: int = 1,
) -> None:
    """Check the clips of a plan against what its runs need.

    Args:
        plan: the plan.
        clips: number of its clips; by default from cache, manifest or lists, see `count_clips`.
        runs: the runs to check; by default those of the plan's first seed.
        processes: number of processes that train together.

    Raises:
        UserError: the number of classes is not that of the plan, a split is missing, or there are
            too few clips for a batch, a class, a cluster or an update set; names the key, what was
            wanted and found, and what to change, once for each stage where something is wrong.
    """
    runs = list(runs_of_a_seed(plan) if runs is None else runs)
    check = _Check(count_clips(plan) if clips is None else clips, processes)
    problems: dict[str, None] = {}
    try:
        check.classes(plan_settings(plan)["data"]["num_classes"])
    except _Unsuitable as error:
        # what the stages lack may follow from it
        problems[str(error)], runs = None, []
    for run in runs:
        try:
            (check.labelled if run.spec.labelled else check.pool)(run)
        except _Unsuitable as error:
            problems[str(error)] = None
    if problems:
        raise UserError(f"plan {plan.name}: {' | '.join(problems)} ({check.clips.origin})")


class _Unsuitable(Exception):
    """What is wrong with the clips, and the way out."""


def _refuse(problem: str, way_out: str) -> NoReturn:
    raise _Unsuitable(f"{problem}; {way_out}")


@dataclass(frozen=True)
class _Check:
    clips: Clips
    processes: int

    def classes(self, wanted: int) -> None:
        """There are so many classes, and each labelled clip has one."""
        clips = self.clips
        if clips.by_class is None:
            return
        found = len(clips.names)
        gaps = sorted(set(range(max(clips.names, default=-1) + 1)) - set(clips.names))
        if gaps:
            _refuse(
                f"no clip has label {gaps[0]}, but labels go up to {max(clips.names)}",
                "number the classes from 0 without gaps, or add the clips that are missing",
            )
        if found != wanted:
            first = ", ".join(list(clips.names.values())[:3])
            _refuse(
                f"data.num_classes is {wanted}, but the clips have {found} classes"
                + (f", {first}{', ...' if found > 3 else ''}" if found else ""),
                f"set data.num_classes: {found} in the plan's overrides"
                if found > 1
                else "name the class of every labelled clip, of two classes or more",
            )
        for split in LABELLED_SPLITS:
            if clips.by_class[split, -1]:
                _refuse(
                    f"{clips.by_class[split, -1]} clips of split {split} have no label",
                    "give each its class, or move it to split unlabelled",
                )
        for split, _ in clips.counts:
            known = split.strip().lower()
            if split != known and known in (*LABELLED_SPLITS, "unlabelled"):
                _refuse(f"split {split!r} is not known", f"write {known!r}")

    def pool(self, run: Run) -> None:
        """The pool of a stage without labels: batches, clusters, and clips that are withheld."""
        settings, clips = run.settings, self.clips
        data, use = settings.base["data"], run.data_use
        splits, withheld = data["pretrain_splits"], data["update_unlabelled"]
        whole, name = clips.of(splits), f"data.pretrain_splits [{', '.join(splits)}]"
        unknown = [s for s in splits if s not in ("unlabelled", "train") and not clips.of([s])]
        if not whole or unknown:
            _refuse(
                f"{run.stage} has no clip in "
                + (f"split {unknown[0]!r} of {name}" if unknown and whole else name),
                "set data.pretrain_splits: [unlabelled, train] in the plan's overrides, to use "
                "training clips without their labels too, or add clips of this split",
            )
        if withheld >= whole or (use.update == "held_out" and not withheld):
            _refuse(
                f"data.update_unlabelled is {withheld}, of {whole} clips in {name}",
                "set a number from 1 to much less than these clips",
            )
        sources = None if use.sources is None else list(use.sources)
        for source in sources or []:
            if not clips.of(splits, [source]):
                known = sorted({other for split, other in clips.counts if split in splits})
                _refuse(
                    f"{run.stage} of {run.variant} has no clip of source {source!r}",
                    f"change sources in the variant, or leave it out of the plan; the clips of "
                    f"{name} come from {', '.join(known)}",
                )
        kept = round(clips.of(splits, sources) * (whole - withheld) / whole)
        left = f"{kept} clips of {name} without the {withheld} of data.update_unlabelled"
        self._batch(run, kept, left)
        clusters = settings.system.clusters(settings.choices).get("k", 0)
        if (use.clusterings or use.clusters) and kept < clusters:
            _refuse(
                f"{run.stage} clusters {left} into method.kmeans_k {clusters}",
                "lower method.kmeans_k",
            )
        if use.update_passes and withheld < 2 * clusters:
            _refuse(
                f"data.update_unlabelled is {withheld} for method.kmeans_k {clusters} clusters, "
                "and a cluster of fewer than 2 update clips has no circle",
                f"raise data.update_unlabelled to {2 * clusters} or more, or lower method.kmeans_k",
            )

    def labelled(self, run: Run) -> None:
        """The labelled clips of a stage: batches, classes, update set, and splits that are
        scored."""
        data, use = run.settings.base["data"], run.data_use
        per_class, splits = data["train_per_class"], {"train": data["train_per_class"] or 1}
        if run.spec.scored:
            splits |= {"test": 1}
            if not self.clips.of(["validation"]):
                _refuse(
                    f"{run.stage} has no clip in split validation, which it scores",
                    "raise lists.validation_per_class, or name the split of some clips validation",
                )
        if use.update is not None:
            wanted = data["update_per_class"] or 2
            # a portion of the test split leaves a part of it to be scored
            splits[use.update] = wanted + (use.update == "test")
        for split, wanted in splits.items():
            self._each_class(run, split, wanted)
        sizes = self.clips.of_classes("train")
        drawn = {k: size if per_class is None else per_class for k, size in sizes.items()}
        trained = sum(drawn.values()) if drawn else self.clips.of(["train"])
        self._batch(run, trained, f"{trained} clips of split train")
        if use.batches == "p_x_k" and drawn:
            self._p_x_k(run, drawn)

    def _batch(self, run: Run, clips: int, words: str) -> None:
        budget = run.settings.schedule.stages[run.stage]
        wanted = budget.batch_size * self.processes
        if clips < wanted:
            several = f" on each of {self.processes} processes" if self.processes > 1 else ""
            _refuse(
                f"{run.stage} trains on {words}, too few for a batch of "
                f"{budget.batch_size}{several}",
                f"lower schedule.{run.stage}.batch_size",
            )

    def _each_class(self, run: Run, split: str, wanted: int) -> None:
        """Each class has so many clips in a split."""
        if not self.clips.of([split]):
            _refuse(
                f"{run.stage} has no clip in split {split}, which {_PURPOSE[split]}",
                "raise lists.update_per_class, or name the split of some clips update"
                if split == "update"
                else f"name the split of some clips of each class {split}",
            )
        sizes = self.clips.of_classes(split)
        few = {label: size for label, size in sizes.items() if size < wanted}
        if few:
            label, size = min(few.items(), key=lambda item: item[1])
            others = len(few) - 1
            have = "class has" if others == 1 else "classes have"
            more = f" ({others} more {have} too few)" if others else ""
            _refuse(
                f"class {self.clips.names[label]!r} has {size} clips in split {split}{more}, and "
                f"{run.stage} wants {wanted} or more",
                _WAY_OUT[split],
            )

    def _p_x_k(self, run: Run, sizes: dict[int, int]) -> None:
        """A batch has no clip twice."""
        samples = run.settings.base["data"]["samples_per_class"]
        batch = run.settings.schedule.stages[run.stage].batch_size
        label, size = min(sizes.items(), key=lambda item: item[1])
        if size < samples:
            _refuse(
                f"class {self.clips.names[label]!r} has {size} clips to train on, and P x K "
                f"batches take data.samples_per_class {samples}",
                f"set data.samples_per_class: {size}"
                if size > 1
                else "add clips of this class, or set method.finetune_batches: uniform",
            )
        groups, wanted = (
            sum(n // samples for n in sizes.values()),
            classes_per_batch(batch, samples),
        )
        if groups < wanted:
            _refuse(
                f"the classes have {groups} groups of data.samples_per_class {samples} clips, "
                f"and a batch of {batch} takes {wanted}",
                f"lower schedule.{run.stage}.batch_size to {groups * samples}, or "
                "data.samples_per_class",
            )


_PURPOSE = {
    "train": "it trains on",
    "update": "the weights of the confusion loss come from",
    "test": "it scores",
}
_WAY_OUT = {
    "train": "lower data.train_per_class (null for all clips), or add clips of this class",
    "update": "lower data.update_per_class, or raise lists.update_per_class and make the manifest "
    "again",
    "test": "add test clips of this class, or lower data.update_per_class if a variant takes its "
    "update set from them",
}
