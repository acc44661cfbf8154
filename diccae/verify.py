"""Seals: recomputes every table and figure from the per-clip predictions, and holds every record against the files, the configs, the data and the lock.

Needs neither the network nor a GPU nor Snakemake's memory, so results that were copied from elsewhere are judged by the same rules.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from diccae.compose import Run, compose
from diccae.errors import UserError
from diccae.hashes import config_hash, data_hash, file_hash, lock_hash, source_hash
from diccae.plans import Plan
from diccae.reporting import claims, figures, tables
from diccae.reporting.compare import compare
from diccae.reporting.page_seal import page_seal, tables_seal
from diccae.workflow import Workflow


@dataclass(frozen=True)
class Finding:
    """`kind`: edited, stale, mixed, missing or data. `problem` is False for what a reader should know but no number depends on."""

    kind: str
    where: str
    message: str
    problem: bool = True

    def __str__(self) -> str:
        return f"{self.kind if self.problem else 'note'}: {self.where}: {self.message}"


def verify(plan: Plan, clips: bool = False) -> dict[str, Any]:
    """Check the results folder of a plan; `clips` also hashes every clip of the benchmark.

    Returns a dictionary: `sealed` (no problem found), `findings`, `tables` and `runs` (how many were checked), `not_built` and `seal`.

    Raises:
        UserError: nothing of the plan has been built.
    """
    flow, root = Workflow([plan]), str(plan.results_root())
    built = [name for name in flow.artifacts(root) if Path(root, f"{name}.csv").is_file()]
    if not built:
        raise UserError(
            f"{root} holds no table of plan {plan.name}; build one first: snakemake --cores all {root}/table2.csv"
        )
    findings = _check_data(plan, clips)
    users = _users(flow, root, built)
    records: dict[str, dict[str, Any]] = {}
    for folder, run in _runs(flow, plan).items():
        if folder in users:
            findings += _check_run(plan, run, Path(folder), users[folder], records)
    findings += _check_mixture(records)
    findings += _check_tables(plan, root, built)
    findings += _check_page(root)
    return {
        "plan": plan.name,
        "sealed": not any(finding.problem for finding in findings),
        "findings": [asdict(finding) for finding in findings],
        "tables": len(built),
        "runs": len(records),
        "not_built": [name for name in flow.artifacts(root) if name not in built],
        "seal": tables_seal(Path(root)),
    }


def _runs(flow: Workflow, plan: Plan) -> dict[str, Run]:
    """Folder of every fine-tuning run of the plan -> the run."""
    return {
        str(plan.run_dir("finetune", run.variant, run.seed, run.modality)): run
        for cell in flow.cells.values()
        if cell.plan == plan and cell.stage == "finetune"
        for run in cell.runs
    }


def _users(flow: Workflow, root: str, built: list[str]) -> dict[str, list[str]]:
    """Run folder -> the tables that are computed from it."""
    users: dict[str, list[str]] = defaultdict(list)
    for name in built:
        for folder in dict.fromkeys(str(Path(file).parent) for file in flow.inputs(name, root)):
            users[folder].append(f"{name}.csv")
    return users


def _check_data(plan: Plan, clips: bool) -> list[Finding]:
    meta_path = plan.cache_dir / "meta.json"
    for path in (plan.manifest, meta_path):
        if not path.is_file():
            return [
                Finding("data", str(path), "is missing, so no record can be held against the data")
            ]
    findings = []
    stated = json.loads(meta_path.read_text())["manifest_sha256"]
    if stated != hashlib.sha256(plan.manifest.read_bytes()).hexdigest():
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
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != wanted:
                findings.append(
                    Finding("data", str(path), "is missing or not the clip that the manifest lists")
                )
    return findings


def _check_run(
    plan: Plan, run: Run, folder: Path, used_by: list[str], records: dict[str, dict[str, Any]]
) -> list[Finding]:
    """A run and, through its parents, the runs that it started from; `records` collects those seen."""
    if str(folder) in records:
        return []
    where = f"{folder} (cells of {run.variant}, {run.modality}, seed {run.seed} in {', '.join(used_by)})"
    path = folder / "record.json"
    if not path.is_file():
        return [Finding("missing", where, "there is no record.json, so these cells have no source")]
    record = records[str(folder)] = json.loads(path.read_text())
    if record["plan"] != plan.name:
        return [Finding("mixed", where, f"belongs to plan {record['plan']}, not to {plan.name}")]
    findings = []
    for key, name, now in (
        ("config_hash", "configs", config_hash(compose(plan, run))),
        ("source_hash", "code", source_hash()),
        ("lock_hash", "lock", lock_hash()),
        ("data_hash", "data", _data_hash(plan)),
    ):
        if record[key] != now:
            findings.append(
                Finding("stale", where, f"made with other {name} ({record[key]}, now {now})")
            )
    for name, digest in record["files"].items():
        if not (folder / name).is_file():
            findings.append(Finding("missing", where, f"{name} is gone"))
        elif file_hash(folder / name) != digest:
            findings.append(Finding("edited", where, f"{name} is not the file that the run wrote"))
    for parent, digest in record["parents"].items():
        source = Path(parent)
        if not source.is_file():
            findings.append(Finding("missing", where, f"{parent}, which it started from, is gone"))
            continue
        if file_hash(source) != digest:
            findings.append(
                Finding("stale", where, f"{parent} has changed since the run started from it")
            )
        stage = "warmup" if source.parent.parent.name == "warmup" else "pretrain"
        origin = Run(stage, source.parent.parent.name, run.seed)
        findings += _check_run(plan, origin, source.parent, used_by, records)
    return findings


def _data_hash(plan: Plan) -> str:
    try:
        return data_hash(plan)
    except UserError:
        return "no data here"


def _check_mixture(records: dict[str, dict[str, Any]]) -> list[Finding]:
    """Runs of several commits stand side by side: no number depends on it while the source hashes agree (checked with each run), but a reader should know."""
    by_commit = defaultdict(list)
    for folder, record in records.items():
        by_commit[record["commit"]].append(folder)
    findings = []
    if len(by_commit) > 1:
        most = max(by_commit, key=lambda commit: len(by_commit[commit]))
        findings += [
            Finding(
                "mixed",
                folder,
                f"made at commit {commit[:10]}, most runs at {most[:10]}",
                problem=False,
            )
            for commit, folders in by_commit.items()
            if commit != most
            for folder in folders
        ]
    dirty = [folder for folder, record in records.items() if record["dirty"]]
    if dirty:
        message = (
            f"and {len(dirty) - 1} more were made from a working tree that differs from its commit"
        )
        findings.append(Finding("mixed", dirty[0], message, problem=False))
    return findings


def _check_tables(plan: Plan, root: str, built: list[str]) -> list[Finding]:
    """Every CSV and SVG against a fresh computation from the runs."""
    findings = []
    names = [*built, "claims"] if Path(root, "claims.csv").is_file() else built
    with tempfile.TemporaryDirectory() as temporary:
        fresh = Path(temporary)
        for name in names:
            try:
                _write(plan, name, fresh / f"{name}.csv")
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
            cells = _cells(Path(root), fresh, file) if path.suffix == ".csv" else []
            findings += cells or [
                Finding("edited", f"{root}/{file}", "is not what the runs give; build it again")
            ]
    return findings


def _cells(root: Path, fresh: Path, name: Path) -> list[Finding]:
    return [
        Finding(
            "edited",
            f"{root}/{name}, {cell.row}, {cell.column}",
            f"says {cell.mine}, the runs give {cell.reference}",
        )
        for cell in compare(root, fresh, only=name).itertuples()
    ]


def _write(plan: Plan, name: str, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    if name.startswith("ablations/"):
        tables.write_ablation(plan, name.split("/")[1], out)
    elif name.startswith("figure"):
        getattr(figures, f"write_{name}")(plan, out, out.with_suffix(".svg"))
    elif name == "claims":
        claims.write_claims(plan, out)
    else:
        getattr(tables, f"write_{name}")(plan, out)


def _check_page(root: str) -> list[Finding]:
    page = Path(root, "report.html")
    if not page.is_file() or page_seal(page) == tables_seal(Path(root)):
        return []
    return [Finding("stale", str(page), "was rendered from other tables; build it again")]
