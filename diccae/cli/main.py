"""The command line `diccae`. The rules of the Snakefile call these commands; all can be run by
hand."""

from __future__ import annotations

import sys

import typer

from diccae import kernels
from diccae.checkout import check_checkout
from diccae.cli import artifacts, data, doctor, export, plan, train, verify, vggsounder
from diccae.errors import UserError

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
plan.register(app)
verify.register(app)
doctor.register(app)
export.register(app)
vggsounder.register(app)


def main() -> None:
    """Run a command; a `UserError` ends with its message and exit code 2, without a traceback."""
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
