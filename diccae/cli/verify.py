"""`diccae verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from diccae.cli.audit import Request
from diccae.cli.options import (
    PlanOrShards,
    ResultsFolder,
    SeedsOrShards,
    out_option,
    plan_of_results,
)
from diccae.whole_file import whole_file


def verify(
    plan: PlanOrShards = None,
    seeds: SeedsOrShards = None,
    clips: Annotated[
        bool, typer.Option("--clips", help="Also hash every clip of the benchmark.")
    ] = False,
    out: Annotated[
        Path | None,
        out_option(
            ".json",
            "JSON file for the verdict; the exit code is then 0 whatever it says. `verify.json` of "
            "the results folder makes a new seal.",
        ),
    ] = None,
    results: ResultsFolder = None,
    retrain: Annotated[
        int | None,
        typer.Option(
            "--retrain",
            help="Also train so many runs again, drawn by --word, with all that they start from, "
            "and compare all bytes.",
        ),
    ] = None,
    word: Annotated[
        str | None,
        typer.Option(
            "--word",
            help="Any word that nobody knew when the root digest was published. Both seed the "
            "draw of --retrain.",
        ),
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option(
            "--work",
            help="New or empty folder to train in, which is kept; by default a temporary one.",
        ),
    ] = None,
    rescore: Annotated[
        bool,
        typer.Option("--rescore", help="Also score every run again from its stored weights."),
    ] = False,
) -> None:
    """Recompute every table, figure and page from the per-clip predictions, check the provenance
    of each run, and hold every file against verify.json; exit code 1 if there is a problem, or if a
    run that is trained or scored again differs."""
    from diccae.seals.finding import Finding
    from diccae.seals.seal import seal_path, seal_text
    from diccae.seals.verify import verify as check

    request = Request(retrain, word, work, rescore, out)
    chosen = plan_of_results(plan, seeds, results)
    audit = request.prepare(chosen, clips)
    stored = seal_path(chosen)
    sealing = out is not None and out.resolve() == stored.resolve()
    verdict = check(chosen, clips, sealing)
    for finding in verdict["findings"]:
        print(Finding(**finding))
    state = "sealed" if verdict["sealed"] else "NOT sealed"
    if verdict["sealed"] and verdict["root"] is None:
        state = "no problem found, but there is no seal"
    print(
        f"plan {verdict['plan']}: {state}; {verdict['tables']} tables and figures recomputed "
        f"from {verdict['runs']} runs"
    )
    if verdict["not_built"]:
        print(f"not built yet: {', '.join(verdict['not_built'])}")
    print(f"stated, not checked: {'; '.join(verdict['not_checked'])}")
    if verdict["root"] is None:
        print(
            f"no root digest: {stored} is missing or was edited; copy it from where the results "
            f"come from, or seal results of your own with --out {stored}"
        )
    else:
        state = "" if verdict["sealed"] else ", which is not that of these files"
        print(f"root digest in {stored}: {verdict['root']}{state}")
    if out is not None:
        with whole_file(out) as temporary:
            temporary.write_text(seal_text(verdict))
    elif not verdict["sealed"]:
        if audit is not None:
            print("no run was trained or scored again: an audit is of results that are sealed")
        raise typer.Exit(code=1)
    elif audit is not None and not audit.run():
        raise typer.Exit(code=1)


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(verify)
