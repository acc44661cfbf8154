"""Seals: recomputes every table and figure from the per-clip predictions, and holds every record against
the files, the configs, the code, the data and the lock.

Needs neither the network nor a GPU nor Snakemake's memory, so results that were copied from elsewhere are
judged by the same rules.
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from diccae.artifacts import artifacts_of
from diccae.digests import file_digest
from diccae.errors import UserError
from diccae.hashes import data_hash, file_hash, lock_hash
from diccae.plans import Plan
from diccae.reporting.compare import compare
from diccae.reporting.page_seal import page_seal, tables_seal
from diccae.run_graph import Run, scored_runs
from diccae.source import SourceTree, present_tree, tree_of_commit


@dataclass(frozen=True)
class Finding:
    """What was found in a results folder.

    Attributes:
        kind: edited, stale, mixed, missing, code or data.
        where: file or run, and what of it.
        message: in words.
        problem: False for what a reader should know but no number depends on.
    """

    kind: str
    where: str
    message: str
    problem: bool = True

    def __str__(self) -> str:
        return f"{self.kind if self.problem else 'note'}: {self.where}: {self.message}"


@dataclass(frozen=True)
class Checked:
    """The record of a run, and its folder with the tables that are computed from it, in words."""

    record: dict[str, Any]
    where: str


def verify(plan: Plan, clips: bool = False) -> dict[str, Any]:
    """Check the results folder of a plan; `clips` also hashes every clip of the benchmark.

    Returns a dictionary: `sealed` (no problem found), `findings`, `tables` and `runs` (how many were
    checked), `not_built` and `seal`.

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
    findings = _check_data(plan, clips)
    checked: dict[Run, Checked] = {}
    for run, users in _users(plan, built).items():
        findings += _check_run(run, users, checked)
    findings += _check_code(checked)
    findings += _check_mixture(checked)
    findings += _check_tables(plan, root, built)
    findings += _check_page(root)
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


def _check_data(plan: Plan, clips: bool) -> list[Finding]:
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


def _check_run(run: Run, used_by: list[str], checked: dict[Run, Checked]) -> list[Finding]:
    """A run and the runs that it started from; `checked` collects those seen."""
    if run in checked:
        return []
    where = f"{run.folder} (for {run} in {', '.join(used_by)})"
    path = run.folder / "record.json"
    if not path.is_file():
        return [
            Finding("missing", where, "there is no record.json, so these numbers have no source")
        ]
    record = json.loads(path.read_text())
    checked[run] = Checked(record, where)
    if record["plan"] != run.plan.name:
        words = f"belongs to plan {record['plan']}, not to {run.plan.name}"
        return [Finding("mixed", where, words)]
    findings = _check_origin(run, record, where)
    for name, digest in record["files"].items():
        if not (run.folder / name).is_file():
            findings.append(Finding("missing", where, f"{name} is gone"))
        elif file_hash(run.folder / name) != digest:
            findings.append(Finding("edited", where, f"{name} is not the file that the run wrote"))
    for parent, source in run.parents.items():
        file = source.folder / parent.file
        if not file.is_file():
            findings.append(Finding("missing", where, f"{file}, which it started from, is gone"))
        elif file_hash(file) != record["parents"].get(str(file)):
            words = f"{file} is not the file that the run started from"
            findings.append(Finding("stale", where, words))
        findings += _check_run(source, used_by, checked)
    return findings


def _check_origin(run: Run, record: dict[str, Any], where: str) -> list[Finding]:
    """Configs, lock and data that a run was made with, against those that are here now."""
    return [
        Finding("stale", where, f"made with other {name} ({record[key]}, now {now})")
        for key, name, now in (
            ("config_hash", "configs", run.config_hash),
            ("lock_hash", "lock", lock_hash()),
            ("data_hash", "data", _data_hash(run.plan)),
        )
        if record[key] != now
    ]


def _check_code(checked: dict[Run, Checked]) -> list[Finding]:
    """All runs by today's code, or all by the code of one commit that they name; that later code differs
    is a note."""
    changed = _made_by_other_code(checked, present_tree())
    if not changed:
        return []
    for commit in dict.fromkeys(each.record["commit"] for each in checked.values()):
        tree = tree_of_commit(commit)
        if tree is not None and not _made_by_other_code(checked, tree):
            words = (
                f"{len(checked)} runs were made by the code of commit {commit[:10]}; today's code "
                f"differs in what {len(changed)} of them execute"
            )
            return [Finding("code", str(changed[0].folder), words, problem=False)]
    return [
        Finding("stale", checked[run].where, "made with other code than today's") for run in changed
    ]


def _made_by_other_code(checked: dict[Run, Checked], tree: SourceTree) -> list[Run]:
    return [
        run
        for run, each in checked.items()
        if tree.digest(run.config(), each.record["system"]) != each.record["source_hash"]
    ]


def _data_hash(plan: Plan) -> str:
    try:
        return data_hash(plan)
    except UserError:
        return "no data here"


def _check_mixture(checked: dict[Run, Checked]) -> list[Finding]:
    """Runs of several commits stand side by side: no number depends on it while their code agrees
    (`_check_code`), but a reader should know."""
    findings = []
    by_commit: dict[str, list[Run]] = defaultdict(list)
    for run, each in checked.items():
        by_commit[each.record["commit"]].append(run)
    if len(by_commit) > 1:
        most = max(by_commit, key=lambda commit: len(by_commit[commit]))
        findings += [
            Finding(
                "mixed",
                str(run.folder),
                f"made at commit {commit[:10]}, most runs at {most[:10]}",
                problem=False,
            )
            for commit, runs in by_commit.items()
            if commit != most
            for run in runs
        ]
    dirty = [run for run, each in checked.items() if each.record["dirty"]]
    if dirty:
        message = f"and {len(dirty) - 1} more were made from a working tree with changes"
        findings.append(Finding("mixed", str(dirty[0].folder), message, problem=False))
    return findings


def _check_tables(plan: Plan, root: str, built: list[str]) -> list[Finding]:
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


def _check_page(root: str) -> list[Finding]:
    page = Path(root, "report.html")
    if not page.is_file() or page_seal(page) == tables_seal(Path(root)):
        return []
    return [Finding("stale", str(page), "was rendered from other tables; build it again")]
