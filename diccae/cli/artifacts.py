"""`diccae table1` ... `diccae report`: one command for each artifact, computed from the per-clip
predictions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from diccae.artifact import ABLATIONS, SYSTEMS
from diccae.artifacts import TABLES, artifact_of, artifacts_of
from diccae.cli.options import (
    PlanName,
    PlanOrShards,
    ResultsFolder,
    Seeds,
    SeedsOrShards,
    out_option,
    plan_of_results,
)
from diccae.errors import UserError
from diccae.plans import Plan, load_plan
from diccae.whole_file import whole_file

Table = Annotated[Path | None, out_option(".csv", "CSV file to write.")]
Drawn = Annotated[
    Path | None, out_option(".csv", "CSV file to write; the figure, an SVG file, lies beside it.")
]
Page = Annotated[Path | None, out_option(".html")]


def _make(name: str, plan: str, seeds: int | None, out: Path | None) -> None:
    chosen = load_plan(plan).first_seeds(seeds)
    artifact = artifact_of(chosen, name)
    artifact.make(chosen, out or chosen.results_root() / f"{name}.csv")


def _command(name: str) -> Callable[..., None]:
    def command(plan: PlanName = "embedded", seeds: Seeds = None, out: Table = None) -> None:
        _make(name, plan, seeds, out)

    return command


def _drawn(name: str) -> Callable[..., None]:
    def command(plan: PlanName = "embedded", seeds: Seeds = None, out: Drawn = None) -> None:
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


def system(
    name: Annotated[str, typer.Argument(help="A system of Table 1, e.g. mbt.")],
    plan: PlanName = "embedded",
    seeds: Seeds = None,
    out: Table = None,
) -> None:
    """One system of Table 1."""
    _make(f"{SYSTEMS}{name}", plan, seeds, out)


def report(
    plan: PlanOrShards = None,
    seeds: SeedsOrShards = None,
    out: Page = None,
    results: ResultsFolder = None,
) -> None:
    """The HTML report: all tables, figures and claims in one file. With --results, the tables, the
    figures and verify.json of that folder too."""
    from diccae.reporting import html
    from diccae.reporting.interim_page import interim_path

    chosen = plan_of_results(plan, seeds, results)
    if results is not None:
        if out is not None:
            raise UserError(f"--out {out}: with --results the page lies in that folder; omit it")
        _build(chosen)
    page = chosen.results_root() / "report.html"
    html.write_report(chosen, out or page)
    if out in (None, page):
        interim_path(chosen).unlink(missing_ok=True)


def _build(plan: Plan) -> None:
    """Write all tables, figures and verify.json of a plan."""
    from diccae.seals.seal import seal_path, seal_text
    from diccae.seals.verify import verify

    root = plan.results_root()
    found = artifacts_of(plan)
    for name, artifact in found.items():
        artifact.make(plan, root / f"{name}.csv")
    verdict = verify(plan, sealing=True)
    with whole_file(seal_path(plan)) as temporary:
        temporary.write_text(seal_text(verdict))
    state = "sealed" if verdict["sealed"] else "NOT sealed, see the page"
    print(
        f"{root}: {len(found)} tables and figures of plan {plan.name}, seeds "
        f"{', '.join(map(str, plan.seeds))}, {state}; root digest {verdict['root']}"
    )


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for artifact in TABLES:
        command = _drawn(artifact.name) if artifact.draw else _command(artifact.name)
        app.command(name=artifact.command, help=artifact.help)(command)
    for each in (ablation, system, report):
        app.command()(each)
