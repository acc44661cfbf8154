"""The command line `diccae`. The rules of the Snakefile call these commands; all can be run by
hand."""

from __future__ import annotations

import os
import sys

import typer

from diccae.cli import artifacts, compare, data, doctor, export, plan, train, verify, vggsounder
from diccae.errors import UserError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Reproduce the DICCAE paper: render or read data, train, write tables, figures, report.",
)
data.register(app)
train.register(app)
artifacts.register(app)
compare.register(app)
plan.register(app)
verify.register(app)
doctor.register(app)
export.register(app)
vggsounder.register(app)


def main() -> None:
    """Run a command; a `UserError` ends with its message and exit code 2, without a traceback."""
    # Jobs run in parallel, with one thread each: two OpenMP threads that share a core can be a
    # hundred times slower than one.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        app()
    except UserError as error:
        print(f"diccae: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("diccae: interrupted; run the same command again to continue", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
