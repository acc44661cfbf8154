"""Data, tables, figures and page of a results folder, against what they are made from."""

from __future__ import annotations

import tempfile
from pathlib import Path

from diccae.artifacts import artifacts_of
from diccae.datasets.integrity import data_problems
from diccae.errors import UserError
from diccae.plans import Plan
from diccae.reporting.compare import compare
from diccae.reporting.page_seal import page_seal, tables_seal
from diccae.seals.finding import Finding
from diccae.settings import plan_settings


def check_data(plan: Plan, clips: bool) -> list[Finding]:
    """Manifest, cache, clips, truth and ledger against the digests that were written with them;
    with `clips`, every clip is read."""
    meta_path = plan.cache_dir / "meta.json"
    for path in (plan.manifest, meta_path):
        if not path.is_file():
            return [
                Finding("data", str(path), "is missing, so no record can be held against the data")
            ]
    findings = []
    for problem in data_problems(plan, settings=plan_settings(plan)["cache"], clips=clips):
        way_out = problem.way_out
        way_out = f"run `{way_out}`" if way_out.startswith("diccae ") else way_out
        words = f"{problem.message}; {way_out}"
        findings.append(Finding("data", problem.where, words, problem.wrong))
    return findings


def check_tables(plan: Plan, root: str, built: list[str]) -> list[Finding]:
    """Every CSV and SVG against a fresh computation from the runs."""
    findings = []
    with tempfile.TemporaryDirectory() as temporary:
        fresh = Path(temporary)
        for name in built:
            try:
                artifacts_of(plan)[name].make(plan, fresh / f"{name}.csv")
            except UserError as error:
                findings.append(
                    Finding("edited", f"{root}/{name}.csv", f"cannot be computed again: {error}")
                )
        same = {
            path.relative_to(fresh)
            for path in fresh.rglob("*.*")
            if Path(root, path.relative_to(fresh)).is_file()
            and Path(root, path.relative_to(fresh)).read_bytes() == path.read_bytes()
        }
        for path in sorted(fresh.rglob("*.*")):
            file = path.relative_to(fresh)
            if file in same:
                continue
            values = _values(Path(root), fresh, file) if path.suffix == ".csv" else []
            findings += values or [
                Finding("edited", f"{root}/{file}", "is not what the runs give; build it again")
            ]
    return findings


def _values(root: Path, fresh: Path, name: Path) -> list[Finding]:
    return [
        Finding(
            "edited",
            f"{root}/{name}, {value.row}, {value.column}",
            f"says {value.mine}, the runs give {value.reference}",
        )
        for value in compare(root, fresh, only=name).itertuples()
    ]


def check_page(root: str) -> list[Finding]:
    """The report against the tables that it was rendered from."""
    page = Path(root, "report.html")
    if not page.is_file() or page_seal(page) == tables_seal(Path(root)):
        return []
    return [Finding("stale", str(page), "was rendered from other tables; build it again")]
