"""Seals: recomputes every table and figure from the per-clip predictions, and holds every record
against the files, the configs, the code, the data and the lock.

Needs neither the network nor a GPU nor Snakemake's memory, so results that were copied from
elsewhere are judged by the same rules.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

from diccae.artifacts import artifacts_of
from diccae.errors import UserError
from diccae.plans import Plan
from diccae.reporting.page_seal import tables_seal
from diccae.run_graph import Run, scored_runs
from diccae.seals.runs import Checked, check_code, check_mixture, check_run
from diccae.seals.tables import check_data, check_page, check_tables


def verify(plan: Plan, clips: bool = False) -> dict[str, Any]:
    """Check the results folder of a plan; `clips` also hashes every clip of the benchmark.

    Returns a dictionary: `sealed` (no problem found), `findings`, `tables` and `runs` (how many
    were checked), `not_built` and `seal`.

    Raises:
        UserError: nothing of the plan has been built.
    """
    root, artifacts = str(plan.results_root()), artifacts_of(plan)
    built = [name for name in artifacts if Path(root, f"{name}.csv").is_file()]
    if not built:
        raise UserError(
            f"{root} holds no table of plan {plan.name}; build one first: "
            f"snakemake --cores all {root}/table2.csv"
        )
    findings = check_data(plan, clips)
    checked: dict[Run, Checked] = {}
    for run, users in _users(plan, built).items():
        findings += check_run(run, users, checked)
    findings += check_code(checked)
    findings += check_mixture(checked)
    findings += check_tables(plan, root, built)
    findings += check_page(root)
    return {
        "plan": plan.name,
        "sealed": not any(finding.problem for finding in findings),
        "findings": [asdict(finding) for finding in findings],
        "tables": len(built),
        "runs": len(checked),
        "not_built": [name for name in artifacts if name not in built],
        "seal": tables_seal(Path(root)),
    }


def _users(plan: Plan, built: list[str]) -> dict[Run, list[str]]:
    """Scored run -> the tables that are computed from it."""
    users: dict[Run, list[str]] = defaultdict(list)
    for name in built:
        for run in scored_runs(plan, artifacts_of(plan)[name].runs(plan)):
            users[run].append(f"{name}.csv")
    return users
