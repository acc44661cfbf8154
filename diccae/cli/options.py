"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PlanName = Annotated[
    str, typer.Option("--plan", help="Plan name (configs/plans/<name>.yaml) or path.")
]
Seeds = Annotated[
    int | None, typer.Option("--seeds", min=1, help="The plan's first seeds alone; all if absent.")
]
Variant = Annotated[
    str, typer.Option("--variant", help="Variant, a file of configs/variants, e.g. no_infonce.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the run.")]
Jobs = Annotated[int, typer.Option("--jobs", min=1, help="Processes side by side.")]
Out = Annotated[Path | None, typer.Option("--out", help="File to write.")]
