"""What a page shows of the committed reference of its plan: whether the runs have its predicted
classes, and its verdicts beside those of the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from diccae.committed import reference_of
from diccae.errors import UserError
from diccae.plans import Plan
from diccae.reporting.compare_runs import compare_runs, has_shards
from diccae.reporting.listed_files import check_listed
from diccae.stored_file import MAKE_AGAIN, reading

# tables that stand beside those of the reference, with the columns that name a row
TABLES = {"effects": ["claim", "modality"], "claims": ["id"]}


def against_reference(plan: Plan, folder: Path) -> dict[str, Any] | None:
    """The runs of a plan against its committed reference; None for results in another folder,
    whose page depends on their shards alone.

    Args:
        plan: the plan.
        folder: where its tables are.

    Returns:
        `sentences`, which also say why nothing is compared; `seeds`, the number of those of the
        reference, 0 where nothing is compared; `differing`, the runs with other predicted classes;
        and `effects` and `claims`, the rows of both tables, each with `there`, the row of the
        reference or None.
    """
    if plan.elsewhere:
        return None
    reference = reference_of(plan)
    shown: dict[str, Any] = {"seeds": 0, "differing": []} | {name: [] for name in TABLES}
    if not has_shards(reference):
        return shown | {"sentences": [f"Plan {plan.name} has no committed reference."]}
    wanted = {(run.variant, run.modality, run.seed) for run in plan.scored(plan.needs())}
    try:
        found = compare_runs(plan.results_root(), reference, wanted)
        for name in TABLES:
            check_listed(reference / f"{name}.csv")
        for name, keys in TABLES.items():
            shown[name] = _beside(folder / f"{name}.csv", reference / f"{name}.csv", keys)
    except UserError as error:
        return shown | {"sentences": [f"The committed reference is not compared: {error}."]}
    return shown | {
        "sentences": found.sentences(),
        "seeds": len(found.there),
        "differing": found.differing.to_dict("records"),
    }


def _beside(here: Path, there: Path, keys: list[str]) -> list[dict[str, Any]]:
    """The rows of a table, each with that of another one as `there`; none where one is missing."""
    if not (here.is_file() and there.is_file()):
        return []
    rows, others = (_rows(path) for path in (here, there))
    named = {tuple(row[key] for key in keys): row for row in others}
    return [row | {"there": named.get(tuple(row[key] for key in keys))} for row in rows]


def _rows(path: Path) -> list[dict[str, Any]]:
    with reading(path, MAKE_AGAIN):
        records: list[dict[Any, Any]] = pd.read_csv(path).to_dict("records")
    return records
