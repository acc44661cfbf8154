"""Options of several commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from diccae.sections import MAX_SEED

PlanName = Annotated[
    str, typer.Option("--plan", help="Plan name (configs/plans/<name>.yaml) or path.")
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
