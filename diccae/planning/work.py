"""The work of each run of a plan, counted in clips, and the runs that each artifact needs.

Reads plans and configs only.
"""

from __future__ import annotations

from dataclasses import dataclass

from diccae.artifacts import artifacts_of
from diccae.clip_counts import Clips
from diccae.plans import Plan
from diccae.run_graph import Run, scored_runs, with_parents


@dataclass(frozen=True)
class Work:
    """The work of one run.

    Attributes:
        steps: optimiser steps.
        epoch: clips in an epoch.
        trained: clips trained on, summed over epochs and over copies of the network.
        embedded: clips that are read in one view, for update set, clustering and losses.
        scored: clips scored in all views.
        clustered: clips clustered by K-means.
    """

    steps: int
    epoch: int
    trained: int
    embedded: int
    scored: int
    clustered: int


def work_of(run: Run, clips: Clips) -> Work:
    """The work of a run, by the same rules as `diccae.compose` and the hooks.

    The held-out part of a pool is assumed to come from its sources in proportion to their size.
    """
    settings, stage = run.settings, run.spec
    data, budget = settings.base["data"], settings.schedule.stages[run.stage]
    use = run.data_use
    if stage.labelled:
        classes, per_class = data["num_classes"], data["train_per_class"]
        pool = clips.of(["train"]) if per_class is None else per_class * classes
        # None for all
        each, whole = data["update_per_class"], clips.of([use.update or "update"])
        update = whole if each is None else each * classes
    else:
        splits, update = list(data["pretrain_splits"]), data["update_unlabelled"]
        whole = clips.of(splits)
        sources = None if use.sources is None else list(use.sources)
        pool = round(clips.of(splits, sources) * max(0, whole - update) / max(1, whole))
    seen = pool if budget.steps is None else min(pool, budget.steps * budget.batch_size)
    steps = budget.epochs * (seen // budget.batch_size)
    copies = use.copy_passes * (seen // budget.batch_size)
    return Work(
        steps=steps,
        epoch=seen,
        trained=(steps + copies) * budget.batch_size,
        embedded=use.update_passes * update
        + use.train_passes * seen
        + use.clusterings * (seen + update),
        scored=clips.of(["validation", "test"]) if stage.scored else 0,
        clustered=use.clusterings * seen,
    )


def artifacts(plan: Plan) -> dict[str, list[Run]]:
    """The runs that each table and figure of a plan needs; a shared run is listed for each of
    them."""
    return {
        name: with_parents(scored_runs(plan, artifact.runs(plan)))
        for name, artifact in artifacts_of(plan).items()
    }
