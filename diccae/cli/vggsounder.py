"""`diccae vggsounder`: VGGSound predictions on VGGSounder's labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from diccae.cli.options import PlanName
from diccae.plans import load_plan


def vggsounder(
    predictions: Annotated[
        list[Path],
        typer.Option(
            "--predictions",
            help="predictions.parquet of a fine-tuning run; give the option three times, with the A, V and AV run, for the modality confusion.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="CSV file to write.")],
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels", help="VGGSounder's CSV file; the installed package's labels when absent."
        ),
    ] = None,
    plan: PlanName = "vggsound",
) -> None:
    """Score VGGSound test predictions on VGGSounder's multi-label re-annotation: hit, F1, label subsets, modality confusion."""
    from diccae.evaluation import vggsounder as module
    from diccae.reporting.csv_file import save

    chosen = load_plan(plan)
    classes = module.class_names(chosen.manifest)
    runs = [module.read_predictions(path, chosen.name, len(classes)) for path in predictions]
    known = module.read_labels(labels, classes)
    table = module.score(known, runs, len(classes))
    save(table, out)
    if known.repeated:
        print(f"{known.source}: {known.repeated} rows said the same twice and were dropped")
    for row in table[(table["measure"] == "hit@1") & (table["labels"] == "all")].itertuples():
        print(
            f"{row.run}: hit@1 {row.value:.2f} % of {row.clips} clips; {row.missing} labelled clips were not predicted, "
            f"{row.unlabelled} predicted clips have no label in {known.source}"
        )
    for row in table[table["measure"] == "mu"].itertuples():
        print(f"modality confusion {row.run}: {row.value:.2f} % of {row.clips} clips")
    if len(runs) < len(module.RUNS):
        print("modality confusion left out: it needs --predictions of the A, the V and the AV run")


def register(app: typer.Typer) -> None:
    app.command()(vggsounder)
