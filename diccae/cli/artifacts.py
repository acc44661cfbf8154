"""`diccae table1` ... `diccae report`: one command for each artifact, computed from the per-clip
predictions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from diccae.artifacts import ABLATIONS, TABLES, artifact_of
from diccae.cli.options import PlanName, Seeds, out_option
from diccae.plans import load_plan

Table = Annotated[Path | None, out_option(".csv", "CSV file to write; a figure lies beside it.")]
Page = Annotated[Path | None, out_option(".html")]


def _make(name: str, plan: str, seeds: int | None, out: Path | None) -> None:
    chosen = load_plan(plan, seeds)
    artifact = artifact_of(chosen, name)
    artifact.make(chosen, out or chosen.results_root() / f"{name}.csv")


def _command(name: str) -> Callable[..., None]:
    def command(plan: PlanName = "embedded", seeds: Seeds = None, out: Table = None) -> None:
        _make(name, plan, seeds, out)

    return command


def ablation(
    name: Annotated[str, typer.Argument(help="A variant of Table 2, e.g. no_infonce.")],
    plan: PlanName = "embedded",
    seeds: Seeds = None,
    out: Table = None,
) -> None:
    """One ablation of Table 2 and the reference."""
    _make(f"{ABLATIONS}{name}", plan, seeds, out)


def report(plan: PlanName = "embedded", seeds: Seeds = None, out: Page = None) -> None:
    """The HTML report: all tables, figures and claims in one file."""
    from diccae.reporting import html

    chosen = load_plan(plan, seeds)
    html.write_report(chosen, out or chosen.results_root() / "report.html")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for artifact in TABLES:
        app.command(name=artifact.command, help=artifact.help)(_command(artifact.name))
    for command in (ablation, report):
        app.command()(command)
