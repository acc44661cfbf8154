"""The sentence on files that changed since the runs, with a real git repository and without one."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from diccae.reporting.crate_origin import changes_since_runs

LOCK = b"one==1\n"


def git(root: Path, *arguments: str) -> str:
    """Output of a git command in a folder."""
    return subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, text=True, check=True
    ).stdout.strip()


def commit_all(root: Path, author: str) -> None:
    """Make a folder a git repository with one commit of all its files."""
    git(root, "init", "--quiet")
    for key, value in {
        "user.name": author,
        "user.email": "author@example.org",
        "commit.gpgsign": "false",
    }.items():
        git(root, "config", key, value)
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "first")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "Snakefile").write_text("rule all:\n    pass\n")
    (tmp_path / "requirements.lock").write_bytes(LOCK)
    (tmp_path / "diccae").mkdir()
    (tmp_path / "diccae" / "__init__.py").touch()
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "method.py").write_text("method = 1\n")
    return tmp_path


def records(commit: str) -> list[dict[str, Any]]:
    return [{"commit": commit, "lock_hash": hashlib.sha256(LOCK).hexdigest()[:16]}]


def test_without_git_the_lock_alone_is_compared(checkout: Path) -> None:
    sentence = "Could not be compared with commit 0123 of the runs."
    assert changes_since_runs(checkout, records("0123")) == sentence
    (checkout / "requirements.lock").write_text("one==2\n")
    assert (
        changes_since_runs(checkout, records("0123"))
        == f"{sentence} Changed since the runs: requirements.lock."
    )


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_changed_files_are_named(checkout: Path) -> None:
    commit_all(checkout, author="Ada Lovelace")
    runs = records(git(checkout, "rev-parse", "HEAD"))
    sentence = "Workflow, lock and configs are those of the runs."
    assert changes_since_runs(checkout, runs) == sentence
    (checkout / "Snakefile").write_text("rule none:\n    pass\n")
    (checkout / "configs" / "method.py").write_text("method = 2\n")
    assert (
        changes_since_runs(checkout, runs)
        == "Changed since the runs: Snakefile, configs/method.py."
    )


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_an_unknown_commit_cannot_be_compared(checkout: Path) -> None:
    commit_all(checkout, author="Ada Lovelace")
    assert (
        changes_since_runs(checkout, records("0" * 40))
        == f"Could not be compared with commit {'0' * 40} of the runs."
    )
