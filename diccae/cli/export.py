"""`diccae export`: a plan's results as an RO-Crate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from diccae.cli.options import PlanName, out_option
from diccae.plans import CONFIG_ROOT, load_plan


def export(
    out: Annotated[Path, out_option(".zip", "Zip file to write.")],
    plan: PlanName = "embedded",
) -> None:
    """Write tables, figures, report, predictions and their provenance as an RO-Crate (profile
    Workflow Run Crate)."""
    from diccae.reporting.crate import write_crate

    chosen = load_plan(plan)
    plan_file = (
        Path(plan) if Path(plan).suffix == ".yaml" else CONFIG_ROOT / "plans" / f"{plan}.yaml"
    )
    done = write_crate(chosen, plan_file, out)
    print(
        f"{out}: {done.outputs} tables, figures and pages, {done.runs} runs; without "
        f"{done.left_out} files of weights and matrices ({done.left_out_bytes / 2**20:.0f} MiB). "
        f"{done.origin}"
    )


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(export)
