"""`diccae table1` ... `diccae report`: one command an artifact, each computed from the per-clip predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from diccae.cli.options import PlanName
from diccae.plans import load_plan

Out = Annotated[
    Path | None, typer.Option("--out", help="File to write; the plan's results folder when absent.")
]
TABLES = {
    "table1": "Table 1: DICCAE's A, V and A-V beside the six printed rows.",
    "table2": "Table 2: the full method and its ablations, with intervals and paired drops.",
    "sensitivity": "The full method under each other reading of an open choice.",
    "cluster_ce": "The headline rows with and without cross entropy on cluster ids.",
    "leakage": "The leakage twin: where the update set comes from.",
    "learning_rates": "A small grid of learning rates for every variant.",
    "tuning": "Validation accuracy of the settings that learning rates are chosen from.",
    "feature_quality": "Degrees of confusion of every run (Sec. 2.1.2-4), against accuracy and against the generator's truth.",
}


def register(app: typer.Typer) -> None:
    for name, text in TABLES.items():
        app.command(name=name.replace("_", "-"), help=text)(_table(name))
    for command in (ablation, figure2, figure3, claims, report, compare):
        app.command()(command)


def _table(name: str):  # noqa: ANN202 - typer reads the inner signature
    def command(plan: PlanName = "embedded", out: Out = None) -> None:
        from diccae.reporting import tables

        chosen = load_plan(plan)
        getattr(tables, f"write_{name}")(chosen, out or chosen.results_root() / f"{name}.csv")

    return command


def ablation(
    name: Annotated[str, typer.Argument(help="A variant of Table 2, e.g. no_infonce.")],
    plan: PlanName = "embedded",
    out: Out = None,
) -> None:
    """One ablation against the full method."""
    from diccae.reporting import tables

    chosen = load_plan(plan)
    tables.write_ablation(chosen, name, out or chosen.results_root() / "ablations" / f"{name}.csv")


def figure2(plan: PlanName = "embedded") -> None:
    """Figure 2: distribution of the degrees of confusion with and without DICCAE."""
    from diccae.reporting import figures

    chosen = load_plan(plan)
    figures.write_figure2(
        chosen, chosen.results_root() / "figure2.csv", chosen.results_root() / "figure2.svg"
    )


def figure3(plan: PlanName = "embedded") -> None:
    """Figure 3: audio accuracy against fixed confusion weights, dynamic weighting as a line."""
    from diccae.reporting import figures

    chosen = load_plan(plan)
    figures.write_figure3(
        chosen, chosen.results_root() / "figure3.csv", chosen.results_root() / "figure3.svg"
    )


def claims(plan: PlanName = "embedded", out: Out = None) -> None:
    """The verdict on each claim of the paper, by the rules of configs/claims.yaml."""
    from diccae.reporting import claims as module

    chosen = load_plan(plan)
    module.write_claims(chosen, out or chosen.results_root() / "claims.csv")


def report(plan: PlanName = "embedded", out: Out = None) -> None:
    """The HTML report: everything above, claim by claim, in one file."""
    from diccae.reporting import html

    chosen = load_plan(plan)
    html.write_report(chosen, out or chosen.results_root() / "report.html")


def compare(
    mine: Annotated[Path, typer.Argument(help="Results folder.")] = Path("results"),
    reference: Annotated[Path, typer.Argument(help="Folder to compare with.")] = Path(
        "results/reference"
    ),
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0, help="Largest difference that counts as equal.")
    ] = 0.0,
) -> None:
    """Compare the tables of two results folders cell by cell; exit code 1 where they differ."""
    from diccae.reporting.compare import compare as compare_folders

    table = compare_folders(mine, reference, tolerance)
    print("all common cells agree" if table.empty else table.to_string(index=False))
    raise typer.Exit(code=int(not table.empty))
