"""What a page shows of the committed reference of its plan: whether the runs have its predicted
classes, and its verdicts beside those of the plan."""

from __future__ import annotations

from typing import Any

import pandas as pd

from diccae.committed import reference_of
from diccae.errors import UserError
from diccae.plans import Plan
from diccae.reporting.compare_runs import compare_runs, has_shards
from diccae.stored_file import reading

RESTORE = "restore it: git checkout -- results/reference"


def against_reference(
    plan: Plan, table2: list[dict[str, Any]] | None, claims: list[dict[str, Any]]
) -> dict[str, Any] | None:
    """The runs of a plan against its committed reference; None for results in another folder,
    whose page depends on their shards alone.

    Args:
        plan: the plan.
        table2: rows of its Table 2; None where it has none.
        claims: rows of its claims.

    Returns:
        `folder`; `sentences`, which also say why nothing is compared; `seeds`, the number of those
        of the reference, 0 where nothing is compared; `differing`, the runs with other predicted
        classes; `table2`, the drops of the plan, each with `there`, the row of the reference or
        None; and `claims`, those that a rule judges, with `there` too.
    """
    if plan.elsewhere:
        return None
    folder = reference_of(plan)
    shown: dict[str, Any] = {"folder": folder, "seeds": 0}
    shown |= {name: [] for name in ("differing", "table2", "claims")}
    if not has_shards(folder):
        return shown | {"sentences": [f"Plan {plan.name} has no committed reference."]}
    wanted = {(run.variant, run.modality, run.seed) for run in plan.scored(plan.needs())}
    try:
        found = compare_runs(plan.results_root(), folder, wanted)
        drops = _beside(plan, table2 or [], "table2", ("variant", "modality"))
        judged = _beside(plan, claims, "claims", ("id",))
    except UserError as error:
        words = f"The committed reference is not compared: {error}."
        return shown | {"sentences": [words]}
    return shown | {
        "sentences": found.sentences(),
        "differing": found.differing.to_dict("records"),
        "seeds": len(found.there),
        "table2": [row for row in drops if row["variant"] != plan.reference],
        "claims": [row for row in judged if row["rule"] != "stated"],
    }


def _beside(
    plan: Plan, rows: list[dict[str, Any]], name: str, keys: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Rows of a table, each with the row of the reference as `there`; None where it has none."""
    path = reference_of(plan) / f"{name}.csv"
    if not path.is_file():
        return [row | {"there": None} for row in rows]
    with reading(path, RESTORE):
        table = pd.read_csv(path)
        others = {tuple(r[k] for k in keys): r for r in table.to_dict("records")}
    return [row | {"there": others.get(tuple(row[key] for key in keys))} for row in rows]
