"""`diccae train` and `diccae compose`."""

from __future__ import annotations

from typing import Annotated

import typer

from diccae.cli.options import Out, PlanName, Seed, Variant
from diccae.errors import UserError
from diccae.plans import SCORED_STAGE, Plan, load_plan
from diccae.validation import did_you_mean
from diccae.whole_file import whole_file

StageName = Annotated[
    str, typer.Option("--stage", help="A single stage, e.g. pretrain; by default all stages.")
]
ModalityName = Annotated[
    str, typer.Option("--modality", help="A, V or AV; by default all that the plan scores.")
]


def train(
    variant: Variant,
    plan: PlanName = "embedded",
    seed: Seed = 0,
    stage: StageName = "",
    modality: ModalityName = "",
) -> None:
    """Train and score one variant with one seed, in every stage and modality that the plan needs.

    `fixed_weight@w` stands for all values of a sweep. Finished runs are kept; an interrupted run
    resumes from its last checkpoint."""
    from diccae import registry  # noqa: F401
    from diccae.data_check import check_data
    from diccae.engine.devices import process_count
    from diccae.engine.runs import execute
    from diccae.hashes import data_hash
    from diccae.run_graph import Run, jobs, with_parents

    chosen = load_plan(plan)
    job = None if stage or modality else jobs(chosen).get((variant, seed))
    if job is not None:
        runs = list(job.runs)
    elif stage:
        runs = [Run(chosen, stage, variant, seed, modality or "AV").owner]
    else:
        wanted = [modality] if modality else _modalities(chosen, variant)
        runs = [Run(chosen, SCORED_STAGE, variant, seed, each) for each in wanted]
    every = with_parents(runs)
    # names the command that makes a missing manifest or cache
    data_hash(chosen)
    check_data(chosen, runs=every, processes=process_count())
    for run in every:
        execute(run)
    if job is not None:
        with whole_file(job.stamp) as temporary:
            temporary.write_text(job.stamp_text)


def _modalities(plan: Plan, variant: str) -> list[str]:
    known = plan.variants()
    if variant not in known:
        raise UserError(
            f"plan {plan.name} has no variant {variant!r}{did_you_mean(variant, known)}; "
            f"name a modality with --modality, or use one of: {', '.join(known)}"
        )
    return [str(modality) for modality in known[variant]]


def compose(
    variant: Variant,
    stage: Annotated[str, typer.Option("--stage", help="A stage, e.g. finetune.")] = "pretrain",
    modality: Annotated[str, typer.Option("--modality", help="A, V or AV.")] = "AV",
    plan: PlanName = "embedded",
    seed: Seed = 0,
    out: Out = None,
) -> None:
    """Write the self-contained mmengine config of one run, for mmaction2's own tools/train.py and
    tools/test.py."""
    from diccae.run_graph import Run

    config = Run(load_plan(plan), stage, variant, seed, modality).config()
    if out is None:
        print(config.pretty_text)
    else:
        with whole_file(out) as temporary:
            temporary.write_text(config.pretty_text)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (train, compose):
        app.command()(command)
