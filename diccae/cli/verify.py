"""`diccae verify`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from diccae.cli.options import PlanName, Seeds, out_option
from diccae.plans import load_plan
from diccae.whole_file import whole_file


def verify(
    plan: PlanName = "embedded",
    seeds: Seeds = None,
    clips: Annotated[
        bool, typer.Option("--clips", help="Also hash every clip of the benchmark.")
    ] = False,
    out: Annotated[
        Path | None,
        out_option(".json", "JSON file for the verdict; the exit code is then 0 whatever it says."),
    ] = None,
) -> None:
    """Recompute every table from the per-clip predictions and check the provenance of each run;
    exit code 1 if there is a problem."""
    from diccae.seals.finding import Finding
    from diccae.seals.verify import verify as check

    verdict = check(load_plan(plan, seeds), clips)
    for finding in verdict["findings"]:
        print(Finding(**finding))
    state = "sealed" if verdict["sealed"] else "NOT sealed"
    print(
        f"plan {verdict['plan']}: {state}; {verdict['tables']} tables and figures recomputed "
        f"from {verdict['runs']} runs"
    )
    if verdict["not_built"]:
        print(f"not built yet: {', '.join(verdict['not_built'])}")
    if out is not None:
        with whole_file(out) as temporary:
            temporary.write_text(json.dumps(verdict, indent=1) + "\n")
    elif not verdict["sealed"]:
        raise typer.Exit(code=1)


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(verify)
