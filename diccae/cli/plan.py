"""`diccae plan`: what a plan consists of, before anything runs."""

from __future__ import annotations

import typer

from diccae.cli.options import PlanName
from diccae.settings import load_plan


def plan(plan: PlanName = "embedded") -> None:
    """Check a plan and print its runs: which variants, which modalities, which pre-training is shared."""
    from diccae.compose import check, pretrain_source

    chosen = load_plan(plan)
    check(chosen)
    cells = chosen.cells()
    sources = {variant: pretrain_source(chosen, variant, chosen.seeds[0]) for variant in cells}
    print(f"plan {chosen.name}: {len(cells)} variants, seeds {chosen.seeds}, results in {chosen.results_root()}")
    for variant, modalities in cells.items():
        source = sources[variant]
        start = (
            "no pre-training"
            if source is None
            else "own pre-training"
            if source == variant
            else f"pre-training of {source}"
        )
        print(f"  {variant:<28} {'+'.join(modalities):<8} {start}")
    print(
        f"{len({source for source in sources.values() if source})} pre-trainings and {sum(map(len, cells.values()))} fine-tunings a seed"
    )


def register(app: typer.Typer) -> None:
    app.command()(plan)
