"""`diccae doctor`: checks the machine, the installation and the data for a plan."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer

from diccae.cli.options import PlanName, Seeds
from diccae.doctor import features, folders, installation, machine, plan_check, results
from diccae.doctor.check import Check
from diccae.errors import UserError
from diccae.plans import Plan, load_plan
from diccae.validation import choices


def examine(plan: Plan, names: Sequence[str] = ()) -> list[Check]:
    """Run every check, or those of some names; one that raises is reported as a problem and does
    not stop the others.

    Raises:
        UserError: there is no check of a name.
    """
    checks: dict[str, Callable[[], Check]] = {
        "checkout": folders.checkout,
        "python": installation.python,
        "versions": installation.versions,
        "torch": installation.torch_build,
        "kernels": partial(installation.kernels, plan),
        "cuda": machine.cuda,
        "gpu": partial(machine.gpus, plan),
        "faiss": installation.faiss_build,
        "decoder": partial(installation.decoder, plan),
        "shared memory": partial(machine.shared_memory, plan),
        "disk": partial(folders.disk, plan, partial(_bytes_of, plan)),
        "folders": partial(folders.writable, plan),
        "user": machine.user,
        "data": partial(folders.data, plan),
        "features": partial(features.stored_features, plan),
        "plan": partial(plan_check.suits, plan),
        "lock": folders.lock,
        "results": partial(results.stale_runs, plan),
    }
    for name in names:
        if name not in checks:
            raise UserError(f"--check {name}: no such check{choices(name, checks)}")
    return [guarded(name, checks[name]) for name in names or checks]


def _bytes_of(plan: Plan) -> dict[str, int]:
    # imports torch
    from diccae.planning.estimate import disk_of

    return disk_of(plan)


def guarded(name: str, check: Callable[[], Check]) -> Check:
    """Run a check; an exception, which a broken installation may cause, becomes a problem."""
    try:
        return check()
    except ImportError as error:
        return Check(
            name,
            "problem",
            f"cannot be imported: {error}",
            "install what requirements.lock lists: make setup",
        )
    except Exception as error:
        return Check(
            name,
            "problem",
            f"could not be checked: {type(error).__name__}: {error}",
            "correct what the message names",
        )


def doctor(
    plan: PlanName = "embedded",
    seeds: Seeds = None,
    check: Annotated[
        list[str] | None,
        typer.Option("--check", help="Run this check alone, e.g. disk; can be repeated."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a list of checks as JSON.")
    ] = False,
) -> None:
    """Check this machine, installation and data for a plan; exit code 1 if there is a problem."""
    checks = examine(load_plan(plan).first_seeds(seeds), check or ())
    if as_json:
        print(json.dumps([asdict(one) for one in checks], indent=1))
    else:
        labels = {"ok": "OK", "warning": "warning", "problem": "PROBLEM"}
        for one in checks:
            way_out = f" -> {one.way_out}" if one.way_out else ""
            print(f"{labels[one.status]:<7}  {one.name:<13}  {one.message}{way_out}")
    if any(one.status == "problem" for one in checks):
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(doctor)
