"""Options of several commands."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from diccae import kernels
from diccae.errors import UserError
from diccae.plans import load_plan
from diccae.sections import MAX_SEED, Modality
from diccae.whole_file import write_error


def out_option(suffix: str, help: str = "File to write.") -> Any:
    """The option `--out`: a file that ends in `suffix`, checked before the command does any work.

    Raises:
        UserError: the value has another suffix or cannot be written.
    """
    return typer.Option("--out", help=help, callback=_writable(suffix))


def _writable(suffix: str) -> Callable[[Path | None], Path | None]:
    def check(path: Path | None) -> Path | None:
        if path is None:
            return None
        if path.suffix != suffix or path.is_dir():
            raise UserError(f"--out {path}: wanted the name of a file that ends in {suffix}")
        folder = path.absolute().parent
        while not folder.exists():
            folder = folder.parent
        try:
            with tempfile.TemporaryFile(dir=folder):
                return path
        except OSError as error:
            raise write_error(path, error) from None

    return check


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
FoldNumber = Annotated[
    int | None,
    typer.Option("--fold", help="Fold, from 1, of a plan with data.folds; by default all."),
]
ModalityName = Annotated[
    Modality | None,
    typer.Option(
        "--modality", help="By default all that the plan scores, or AV of a single stage."
    ),
]
Jobs = Annotated[int, typer.Option("--jobs", min=1, help="Number of parallel processes.")]
