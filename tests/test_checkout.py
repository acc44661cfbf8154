"""Which checkout the code belongs to, and which commit is its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from diccae.checkout import ROOT, check_checkout, git, root_of_command
from diccae.errors import UserError


def make_checkout(folder: Path) -> Path:
    (folder / "diccae").mkdir(parents=True)
    (folder / "diccae" / "__init__.py").touch()
    (folder / "pyproject.toml").write_text('[project]\nname = "diccae"\n')
    return folder


def commit_all(folder: Path) -> None:
    for words in (
        ("init", "--quiet"),
        ("add", "."),
        ("-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "one"),
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)


def test_the_code_of_another_checkout_is_refused(tmp_path: Path) -> None:
    mine, other = make_checkout(tmp_path / "mine"), make_checkout(tmp_path / "other")
    for folder in (mine, mine / "diccae"):
        with pytest.raises(UserError, match=f"checkout {mine}, .* that of {other}; run"):
            check_checkout(folder, root=other)
        check_checkout(folder, root=mine)
    check_checkout(tmp_path, root=other)


def test_another_project_with_such_a_folder_is_none(tmp_path: Path) -> None:
    mine = make_checkout(tmp_path / "mine")
    (mine / "pyproject.toml").write_text('[project]\nname = "thesis"\n')
    check_checkout(mine)
    (mine / "pyproject.toml").write_text("[project")
    check_checkout(mine)


def test_a_command_in_another_checkout_ends_with_one_sentence(tmp_path: Path) -> None:
    mine = make_checkout(tmp_path)
    # the folder's own package would be imported first with `python -m`
    code = f"import sys; sys.path[0] = {str(ROOT)!r}; from diccae.cli.main import main; main()"
    assert root_of_command() == ROOT
    result = subprocess.run(
        [sys.executable, "-c", code, "plan"], cwd=mine, capture_output=True, text=True
    )
    assert result.returncode == 2
    assert result.stderr.startswith(f"diccae: the working directory belongs to the checkout {mine}")
    assert result.stderr.count("\n") == 1


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_a_surrounding_repository_is_not_that_of_the_code(tmp_path: Path) -> None:
    inner = make_checkout(tmp_path / "vendor")
    commit_all(tmp_path)
    assert git("rev-parse", "HEAD", root=inner) is None
    commit_all(inner)
    head = git("rev-parse", "HEAD", root=inner)
    assert head is not None
    assert len(head.strip()) == 40


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_a_repository_without_the_package_is_not_that_of_the_code(tmp_path: Path) -> None:
    make_checkout(tmp_path)
    (tmp_path / ".gitignore").write_text("diccae/\n")
    commit_all(tmp_path)
    assert git("rev-parse", "HEAD", root=tmp_path) is None
