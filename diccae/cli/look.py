"""`diccae look`: the page of a reference, without computing anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from diccae.cli.options import DEFAULT_PLAN, FIRST_SEEDS, PlanOrShards
from diccae.errors import UserError

OUT = Path("build/look")


def look(
    plan: PlanOrShards = None,
    results: Annotated[
        Path | None,
        typer.Option(
            "--results", help="A folder of shards; by default `results/reference/<plan>`."
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds",
            min=1,
            help=f"{FIRST_SEEDS} all or, where one has no shard, as many as its default_seeds "
            "says.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Folder for tables, figures and page; by default `build/look/<plan>`.",
            file_okay=False,
        ),
    ] = None,
) -> None:
    """Show a reference: write tables, figures and page from its shards, without training, clips or
    a GPU. Nothing is verified; the page shows the verify.json that lies beside the shards, if it is
    of these files."""
    from diccae.committed import FOLDER
    from diccae.reporting.look import PAGE, seeds_to_show, write_page
    from diccae.reporting.repetitions import number_of_seeds
    from diccae.reporting.shard_folder import plan_of_shards, shard_files

    folder = results or FOLDER / (plan or DEFAULT_PLAN)
    if results is None and not shard_files(folder):
        raise UserError(
            f"{folder} has no shard yet, so there is no reference of plan {plan or DEFAULT_PLAN} "
            "to show; update this checkout, or compute a page yourself: make smoke, make reproduce"
        )
    stated = plan_of_shards(folder)
    if plan is not None and stated.name != Path(plan).stem:
        raise UserError(
            f"{folder} has shards of plan {stated.name}, wanted {plan}; name another folder with "
            "--results, or omit --plan"
        )
    chosen = seeds_to_show(stated.at(folder), seeds)
    out = out or OUT / stated.name
    verdict = write_page(chosen, out)
    state = (
        f"as verified, root digest {verdict['root']}"
        if verdict
        else f"not verified; with all packages: diccae verify --results {folder}"
    )
    print(f"Plan {stated.name}, {number_of_seeds(chosen)}, from {folder}; {state}")
    print(f"Page: {(out / PAGE).resolve()}")


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(look)
