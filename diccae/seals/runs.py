"""Every record against its files, its parents, and today's configs, code, lock and data."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from diccae.errors import UserError
from diccae.hashes import data_hash, file_hash, lock_hash
from diccae.plans import Plan
from diccae.run_graph import Run
from diccae.seals.finding import Finding
from diccae.source import SourceTree, present_tree, tree_of_commit


@dataclass(frozen=True)
class Checked:
    """The record of a run, and its folder with the tables that are computed from it, in words."""

    record: dict[str, Any]
    where: str


def check_run(run: Run, used_by: list[str], checked: dict[Run, Checked]) -> list[Finding]:
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
        findings += check_run(source, used_by, checked)
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


def check_code(checked: dict[Run, Checked]) -> list[Finding]:
    """All runs by today's code, or all by the code of one commit that they name; that later code
    differs is a note."""
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


def check_mixture(checked: dict[Run, Checked]) -> list[Finding]:
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
