"""`diccae vggsounder`: VGGSound predictions on VGGSounder's labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from diccae.cli.options import PlanName, out_option
from diccae.plans import load_plan


def vggsounder(
    predictions: Annotated[
        list[Path],
        typer.Option(
            "--predictions",
            help="predictions.parquet of a fine-tuning run; give the option three times, for the "
            "A, V and AV run, to get the modality confusion.",
        ),
    ],
    out: Annotated[Path, out_option(".csv", "CSV file to write.")],
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels", help="VGGSounder's CSV file; by default the labels of the package."
        ),
    ] = None,
    plan: PlanName = "vggsound",
) -> None:
    """Score VGGSound test predictions on VGGSounder's multi-label annotation.

    Writes hit rate, F1, label subsets and modality confusion.
    """
    from diccae.evaluation import vggsounder as module
    from diccae.evaluation.vggsounder_files import class_names, read_labels, read_predictions
    from diccae.reporting.csv_file import save

    chosen = load_plan(plan)
    classes = class_names(chosen.manifest)
    runs = [read_predictions(path, chosen.name, len(classes)) for path in predictions]
    known = read_labels(labels, classes)
    table = module.score(known, runs, len(classes))
    save(table, out)
    if known.repeated:
        print(f"{known.source}: {known.repeated} repeated rows were dropped")
    for row in table[(table["measure"] == "hit@1") & (table["labels"] == "all")].itertuples():
        print(
            f"{row.run}: hit@1 {row.value:.2f} % of {row.clips} clips; {row.missing} labelled "
            f"clips were not predicted, {row.unlabelled} predicted clips have no label in "
            f"{known.source}"
        )
    for row in table[table["measure"] == "mu"].itertuples():
        print(f"modality confusion {row.run}: {row.value:.2f} % of {row.clips} clips")
    if len(runs) < len(module.RUNS):
        print("no modality confusion: it needs --predictions of the A, the V and the AV run")


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(vggsounder)
