"""`diccae warmup`, `diccae pretrain`, `diccae finetune`, `diccae compose`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from diccae.cli.options import PlanName, Seed, Variant
from diccae.errors import UserError
from diccae.plans import load_plan

Stage = Annotated[str, typer.Option("--stage", help="warmup, pretrain or finetune.")]
Modality = Annotated[str, typer.Option("--modality", help="A, V or AV.")]


def warmup(plan: PlanName = "embedded", seed: Seed = 0) -> None:
    """Train the short InfoNCE model whose features are clustered first, and cluster them."""
    _execute(plan, [("warmup", "warmup", seed, "AV")])


def pretrain(variant: Variant, plan: PlanName = "embedded", seed: Seed = 0) -> None:
    """Cluster-guided audio-video pre-training of one variant (Sec. 2.3)."""
    _execute(plan, [("pretrain", variant, seed, "AV")])


def finetune(
    variant: Variant, plan: PlanName = "embedded", seed: Seed = 0, modality: Modality = ""
) -> None:
    """Fine-tune and score one variant, in every modality that the plan wants of it (or in one, with --modality)."""
    chosen = load_plan(plan)
    modalities = [modality] if modality else [str(m) for m in chosen.cells().get(variant, [])]
    if not modalities:
        raise UserError(
            f"plan {chosen.name} has no variant {variant!r}; name a modality with --modality, or use one of: {', '.join(chosen.cells())}"
        )
    _execute(plan, [("finetune", variant, seed, each) for each in modalities])


def _execute(plan: str, runs: list[tuple[str, str, int, str]]) -> None:
    import shutil

    from diccae import registry  # noqa: F401
    from diccae.compose import Run
    from diccae.engine.runs import execute

    for work in [execute(load_plan(plan), Run(*run)) for run in runs]:
        shutil.rmtree(work, ignore_errors=True)


def compose(
    variant: Variant,
    stage: Stage = "pretrain",
    modality: Modality = "AV",
    plan: PlanName = "embedded",
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; printed when absent.")
    ] = None,
) -> None:
    """Write the self-contained mmengine config of one run, for mmaction2's own tools/train.py and tools/test.py."""
    from diccae.compose import Run, compose

    config = compose(load_plan(plan), Run(stage, variant, seed, modality))
    if out is None:
        print(config.pretty_text)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        config.dump(out)


def register(app: typer.Typer) -> None:
    for command in (warmup, pretrain, finetune, compose):
        app.command()(command)
