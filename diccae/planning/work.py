"""What each run of a plan has to compute, in clips, and which runs each artifact waits for. Reads
plans and configs only."""

from __future__ import annotations

from dataclasses import dataclass

from diccae.artifacts import artifacts_of
from diccae.planning.clips import Clips
from diccae.plans import Plan
from diccae.run_graph import Run, scored_runs, with_parents


@dataclass(frozen=True)
class Work:
    """One run in clips.

    Attributes:
        steps: optimiser steps.
        epoch: clips of an epoch.
        trained: clips trained on, each epoch's anew.
        embedded: clips whose features are taken in one view, for update set and clustering.
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
    """Counts as `diccae.compose` and the hooks have them; a held-out part of a pool is taken from
    its sources in proportion."""
    settings, stage = run.settings, run.spec
    data, budget = settings.base["data"], settings.schedule.stages[run.stage]
    use = settings.system.data(stage, settings.choices, budget)
    if stage.labelled:
        classes, per_class = data["num_classes"], data["train_per_class"]
        pool = clips.of(["train"]) if per_class is None else per_class * classes
        update = data["update_per_class"] * classes
    else:
        splits, update = list(data["pretrain_splits"]), data["update_unlabelled"]
        whole = clips.of(splits)
        sources = None if use.sources is None else list(use.sources)
        pool = round(clips.of(splits, sources) * max(0, whole - update) / max(1, whole))
    seen = pool if budget.steps is None else min(pool, budget.steps * budget.batch_size)
    steps = budget.epochs * (seen // budget.batch_size)
    return Work(
        steps=steps,
        epoch=seen,
        trained=steps * budget.batch_size,
        embedded=use.update_passes * update + use.clusterings * (seen + update),
        scored=clips.of(["validation", "test"]) if stage.scored else 0,
        clustered=use.clusterings * seen,
    )


def artifacts(plan: Plan) -> dict[str, list[Run]]:
    """Every table and figure of a plan with the runs that it waits for, shared ones under each
    artifact that needs them."""
    return {
        name: with_parents(scored_runs(plan, artifact.runs(plan)))
        for name, artifact in artifacts_of(plan).items()
    }
