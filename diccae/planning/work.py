"""What each run of a plan has to compute, in clips, and which runs each artifact waits for. Reads plans and configs only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from diccae.compose import Run, initial_weights, pretrain_source
from diccae.planning.clips import Clips
from diccae.plans import Plan
from diccae.settings import needs_clusters, settings_of
from diccae.workflow import Workflow


@dataclass(frozen=True)
class Work:
    """One run in clips: of an epoch, trained (each epoch's anew), embedded (update set, clustering; one view), scored (all views), clustered by K-means."""

    steps: int
    epoch: int
    trained: int
    embedded: int
    scored: int
    clustered: int


def work_of(plan: Plan, run: Run, clips: Clips) -> Work:
    """Counts as `diccae.compose` and the hooks have them; a held-out part of a pool is taken from its sources in proportion."""
    settings = settings_of(plan, run.stage, run.variant)
    data, method = settings.base["data"], settings.method
    stage = getattr(settings.schedule, run.stage)
    clustered = run.stage == "pretrain" and needs_clusters(settings)
    confusion = (clustered or run.stage == "finetune") and method.confusion_weight > 0
    if run.stage == "finetune":
        classes = data["num_classes"]
        per_class = data["train_per_class"]
        pool = clips.of(["train"]) if per_class is None else per_class * classes
        update = data["update_per_class"] * classes
        scored = clips.of(["validation", "test"])
    else:
        splits, update = list(data["pretrain_splits"]), data["update_unlabelled"]
        whole = clips.of(splits)
        sources = None if method.sources == "all" else list(method.sources)
        pool = round(clips.of(splits, sources) * max(0, whole - update) / max(1, whole))
        scored = 0
    seen = pool if stage.steps is None else min(pool, stage.steps * stage.batch_size)
    steps = stage.epochs * (seen // stage.batch_size)
    clusterings = 0
    if run.stage == "warmup":
        clusterings = 1
    elif clustered and method.refine_every:
        clusterings = sum(epoch % method.refine_every == 0 for epoch in range(1, stage.epochs))
    return Work(
        steps=steps,
        epoch=seen,
        trained=steps * stage.batch_size,
        embedded=(stage.epochs * update if confusion else 0) + clusterings * (seen + update),
        scored=scored,
        clustered=clusterings * seen,
    )


def parents(plan: Plan, run: Run) -> list[Run]:
    """The runs that must be finished before `run` starts."""
    if run.stage == "warmup":
        return []
    warmup = Run("warmup", "warmup", run.seed)
    if run.stage == "finetune":
        source = pretrain_source(plan, run.variant, run.seed)
        return [] if source is None else [Run("pretrain", source, run.seed)]
    settings = settings_of(plan, "pretrain", run.variant)
    return (
        [warmup]
        if needs_clusters(settings) or initial_weights(plan, run, settings) is not None
        else []
    )


def with_parents(plan: Plan, runs: Iterable[Run]) -> list[Run]:
    """The runs and everything that they start from, each once, parents first."""
    ordered: dict[Run, None] = {}
    for run in runs:
        for parent in with_parents(plan, parents(plan, run)):
            ordered[parent] = None
        ordered[run] = None
    return list(ordered)


def artifacts(plan: Plan) -> dict[str, list[Run]]:
    """Every table and figure of a plan with the runs that it waits for, shared ones under each artifact that needs them."""
    flow, root = Workflow([plan]), str(plan.results_root())
    runs = {
        plan.run_dir("finetune", variant, seed, modality): Run("finetune", variant, seed, modality)
        for variant, modalities in plan.cells().items()
        for seed in plan.seeds
        for modality in modalities
    }
    return {
        name: with_parents(
            plan, dict.fromkeys(runs[Path(file).parent] for file in flow.inputs(name, root))
        )
        for name in flow.artifacts(root)
    }
