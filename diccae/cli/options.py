"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

PlanName = Annotated[
    str, typer.Option("--plan", help="Plan name (configs/plans/<name>.yaml) or path.")
]
Variant = Annotated[
    str, typer.Option("--variant", help="Variant, a file of configs/variants, e.g. no_infonce.")
]
Seed = Annotated[int, typer.Option("--seed", min=0)]
Jobs = Annotated[int, typer.Option("--jobs", min=1, help="Processes side by side.")]
