"""Data, tables, figures and page of a results folder, against what they are made from."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pandas as pd

from diccae.artifacts import artifacts_of
from diccae.digests import file_digest
from diccae.errors import UserError
from diccae.plans import Plan
from diccae.reporting.compare import compare
from diccae.reporting.page_seal import page_seal, tables_seal
from diccae.seals.finding import Finding


def check_data(plan: Plan, clips: bool) -> list[Finding]:
    """The manifest against the cache that was built from it; with `clips`, every clip against the
    manifest."""
    meta_path = plan.cache_dir / "meta.json"
    for path in (plan.manifest, meta_path):
        if not path.is_file():
            return [
                Finding("data", str(path), "is missing, so no record can be held against the data")
            ]
    findings = []
    stated = json.loads(meta_path.read_text())["manifest_sha256"]
    if stated != file_digest(plan.manifest):
        findings.append(
            Finding("data", str(plan.manifest), "is not the manifest that the cache was built from")
        )
    if clips:
        manifest = pd.read_parquet(plan.manifest)
        if "sha256" not in manifest:
            words = "was read from lists, which hold no hashes of clips: the clips were not checked"
            return [*findings, Finding("data", str(plan.manifest), words, problem=False)]
        for name, wanted in manifest[["path", "sha256"]].itertuples(index=False):
            path = plan.manifest.parent / name
            if not path.is_file() or file_digest(path) != wanted:
                findings.append(
                    Finding("data", str(path), "is missing or not the clip that the manifest lists")
                )
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
