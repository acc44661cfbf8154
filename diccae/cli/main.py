"""The command line `diccae`. The rules of the Snakefile call these commands; all can be run by
hand."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import typer

from diccae import kernels
from diccae.checkout import check_checkout
from diccae.cli import (
    artifacts,
    compare,
    data,
    doctor,
    export,
    look,
    plan,
    summary,
    train,
    verify,
    vggsounder,
)
from diccae.errors import UserError
from diccae.whole_file import disk_full, write_error

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def start(context: typer.Context) -> None:
    """Reproduce the DICCAE paper: render or read data, train, write tables, figures, report."""
    # a command with a plan sets them again, as the plan says
    kernels.fix()
    if context.invoked_subcommand != "doctor":
        check_checkout()


data.register(app)
train.register(app)
artifacts.register(app)
compare.register(app)
plan.register(app)
verify.register(app)
doctor.register(app)
export.register(app)
vggsounder.register(app)
summary.register(app)
look.register(app)


def main() -> None:
    """Run a command; a `UserError` ends with its message and exit code 2, without a traceback."""
    # a log file that cannot be written, as on a full disk, prints no traceback: the work itself
    # fails with one sentence
    logging.raiseExceptions = False
    try:
        app()
    except UserError as error:
        print(f"diccae: {error}", file=sys.stderr)
        sys.exit(2)
    except PermissionError as error:
        if error.filename is None:
            raise
        print(f"diccae: {error.filename}: no permission; change its owner or mode", file=sys.stderr)
        sys.exit(2)
    except Exception as error:
        full = disk_full(error)
        if full is None:
            raise
        print(f"diccae: {write_error(Path(full.filename or 'output'), full)}", file=sys.stderr)
        sys.exit(2)
    except SystemExit as end:
        # Ctrl-C; typer exits with this code and prints nothing
        if end.code == 130:
            print("diccae: interrupted; run the same command again to continue", file=sys.stderr)
        raise


if __name__ == "__main__":
    main()
