"""Options of several commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from diccae import kernels
from diccae.plans import load_plan
from diccae.sections import MAX_SEED


def _fix_kernels(name: str) -> str:
    """Set threads and instruction sets as the plan says, before a command imports a library that
    reads them."""
    runtime = load_plan(name).runtime
    kernels.fix(runtime.kernels, runtime.threads)
    return name


PlanName = Annotated[
    str,
    typer.Option(
        "--plan", help="Plan name (configs/plans/<name>.yaml) or path.", callback=_fix_kernels
    ),
]
Seeds = Annotated[
    int | None, typer.Option("--seeds", min=1, help="Number of the plan's seeds; by default all.")
]
Variant = Annotated[
    str, typer.Option("--variant", help="Variant, a file in configs/variants, e.g. no_infonce.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, max=MAX_SEED, help="Seed of the run.")]
Jobs = Annotated[int, typer.Option("--jobs", min=1, help="Number of parallel processes.")]
Out = Annotated[Path | None, typer.Option("--out", help="File to write.")]
