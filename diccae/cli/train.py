"""`diccae train` and `diccae compose`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from diccae.cli.node import require_gpus, require_runs
from diccae.cli.options import FoldNumber, ModalityName, PlanName, Seed, Variant, out_option
from diccae.errors import UserError
from diccae.plans import SCORED_STAGE, Plan, load_plan
from diccae.sections import Modality
from diccae.validation import choices
from diccae.whole_file import whole_file

if TYPE_CHECKING:
    from diccae.jobs import Job
    from diccae.run_graph import Run

StageName = Annotated[
    str, typer.Option("--stage", help="A single stage, e.g. pretrain; by default all stages.")
]


def train(
    variant: Variant,
    plan: PlanName = "embedded",
    seed: Seed = None,
    fold: FoldNumber = None,
    stage: StageName = "",
    modality: ModalityName = None,
) -> None:
    """Train and score one variant with one seed, in every stage and modality that the plan needs,
    and in every fold if it has folds.

    `fixed_weight@w` stands for all values of a sweep. Finished runs are kept; an interrupted run
    resumes from its last checkpoint."""
    chosen = load_plan(plan)
    wanted = [
        wanted_runs(chosen, variant, seed, each, stage, modality)
        for each in wanted_folds(chosen, fold)
    ]
    # after the errors above, because torch takes seconds to import
    require_gpus()
    from mmengine.dist import is_main_process

    from diccae import registry  # noqa: F401
    from diccae.clips_hash import clips_hash
    from diccae.data_check import check_data
    from diccae.datasets.duplicates.marking import require_marked
    from diccae.datasets.features.checks import require_suited
    from diccae.engine.devices import process_count
    from diccae.engine.runs import execute
    from diccae.interim import write_interim

    require_runs(chosen)
    # names the command that makes a missing manifest, cache or features
    clips_hash(chosen)
    require_suited(chosen)
    require_marked(chosen)
    every = [run for _, runs in wanted for run in runs]
    check_data(chosen, runs=every, processes=process_count())
    for job, runs in wanted:
        for run in runs:
            execute(run)
        if job is not None and is_main_process():
            with whole_file(job.stamp) as temporary:
                temporary.write_text(job.stamp_text)
            write_interim(chosen, job.seed)


def wanted_folds(plan: Plan, fold: int | None) -> tuple[int | None, ...]:
    """The fold that is asked for, or all of the plan.

    Raises:
        UserError: the plan does not have it.
    """
    if fold is None:
        return plan.folds
    if fold not in plan.folds:
        has = "no folds" if plan.split_into is None else f"the folds 1 to {len(plan.folds)}"
        raise UserError(
            f"--fold {fold}: plan {plan.name} has {has}; leave --fold out, or change data.folds in "
            "the plan's overrides"
        )
    return (fold,)


def wanted_runs(
    plan: Plan,
    variant: str,
    seed: int | None = None,
    fold: int | None = None,
    stage: str = "",
    modality: str | None = None,
) -> tuple[Job | None, list[Run]]:
    """The runs that a command asks for in one fold, parents first, and their job where they are a
    whole one; without a seed, with the first one of the plan.

    Raises:
        UserError: variant, stage or modality do not exist or do not fit together.
    """
    from diccae.jobs import jobs
    from diccae.run_graph import Run, with_parents

    seed = plan.seeds[0] if seed is None else seed
    _check_modality(plan, modality)
    job = None if stage or modality else jobs(plan).get((variant, seed, fold))
    if job is not None:
        runs = list(job.runs)
    elif stage:
        runs = [_single(plan, stage, variant, seed, fold, modality).owner]
    else:
        wanted = [modality] if modality else _modalities(plan, variant)
        runs = [Run(plan, SCORED_STAGE, variant, seed, each, fold) for each in wanted]
    return job, with_parents(runs)


def _single(
    plan: Plan, stage: str, variant: str, seed: int, fold: int | None, modality: str | None
) -> Run:
    """The run of one stage; without a modality, in that of the plan's stages without labels."""
    from diccae.run_graph import Run

    run = Run(plan, stage, variant, seed, modality or plan.modality, fold)
    _check_modality(plan, modality)
    if run.modality != plan.modality and not run.spec.labelled:
        raise UserError(
            f"--modality {modality}: stage {stage} of plan {plan.name} is trained in "
            f"{plan.modality}; leave --modality out, or change pretrain_modality in the plan"
        )
    return run


def _check_modality(plan: Plan, modality: str | None) -> None:
    if modality and not set(modality) <= set(plan.modality):
        raise UserError(
            f"--modality {modality}: the clips and the pre-training of plan {plan.name} have "
            f"{plan.modality} alone; leave --modality out, or set pretrain_modality: AV in the plan"
        )


def _modalities(plan: Plan, variant: str) -> list[str]:
    from diccae.jobs import job_name
    from diccae.settings import variant_of

    known = plan.variants()
    if variant in known:
        return [str(modality) for modality in known[variant]]
    # an unknown name is refused here
    variant_of(plan, variant)
    raise UserError(
        f"plan {plan.name} does not score variant {variant!r}; name a modality with --modality, or "
        "take a variant of the plan"
        f"{choices(variant, dict.fromkeys(map(job_name, known)), 'it scores')}"
    )


def compose(
    variant: Variant,
    stage: Annotated[str, typer.Option("--stage", help="A stage, e.g. finetune.")] = "pretrain",
    modality: Annotated[
        Modality | None, typer.Option("--modality", help="By default that of pre-training.")
    ] = None,
    plan: PlanName = "embedded",
    seed: Seed = None,
    fold: Annotated[
        int | None,
        typer.Option(
            "--fold", help="Fold, from 1, of a plan with data.folds; by default the first."
        ),
    ] = None,
    out: Annotated[
        Path | None, out_option(".py", "File to write; by default it is printed.")
    ] = None,
) -> None:
    """Write the self-contained mmengine config of one run, for mmaction2's own tools/train.py and
    tools/test.py."""
    chosen = load_plan(plan)
    seed, first = chosen.seeds[0] if seed is None else seed, wanted_folds(chosen, fold)[0]
    config = _single(chosen, stage, variant, seed, first, modality).config()
    if out is None:
        print(config.pretty_text)
        return
    with whole_file(out) as temporary:
        temporary.write_text(config.pretty_text)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (train, compose):
        app.command()(command)
