"""Provenance of a crate: the origin of its runs, and files that changed since then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from diccae.checkout import git
from diccae.digests import file_digest


def changes_since_runs(root: Path, records: Sequence[dict[str, Any]]) -> str:
    """One or two sentences on whether Snakefile, lock and configs are those that the runs used.

    Args:
        root: the checkout.
        records: content of the runs' record.json.
    """
    changed = set()
    lock = root / "requirements.lock"
    if lock.is_file():
        current = file_digest(lock)[:16]
        if any(record["lock_hash"] != current for record in records):
            changed.add(lock.name)
    commits = {record["commit"] for record in records}
    for commit in commits:
        different = git_output(
            root,
            "diff",
            "--name-only",
            "--relative",
            commit,
            "--",
            "Snakefile",
            lock.name,
            "configs",
        )
        if different is None:
            return f"Could not be compared with commit {commit} of the runs." + _named(changed)
        changed.update(different.splitlines())
    return _named(changed).strip() or "Workflow, lock and configs are those of the runs."


def _named(changed: set[str]) -> str:
    return f" Changed since the runs: {', '.join(sorted(changed))}." if changed else ""


def git_output(root: Path, *arguments: str) -> str | None:
    """Output of a git command in the checkout `root`; None if it fails, for example outside of a
    repository."""
    output = git(*arguments, root=root)
    return None if output is None else output.decode().strip()


def origin_of_runs(records: Sequence[dict[str, Any]]) -> str:
    """Commit, lock, data and hardware of the runs, one sentence for each combination."""
    kinds = Counter(
        (
            record["commit"] + (" with uncommitted changes" if record["dirty"] else ""),
            record["lock_hash"],
            record["data_hash"],
            f"{record['hardware']['cpu']}, {record['hardware']['cores']} cores, "
            f"{record['hardware']['gpu'] or 'no GPU'}",
        )
        for record in records
    )
    return " ".join(
        f"{count} training runs of commit {commit}, lock {lock}, data {data}, on {machine}."
        for (commit, lock, data, machine), count in sorted(kinds.items())
    )
