"""The checkout that the package runs from, and its git repository."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from diccae.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "diccae"


def is_checkout(folder: Path) -> bool:
    """Whether a folder holds this project: the package, and a pyproject.toml that names it."""
    project = folder / "pyproject.toml"
    if not (folder / PACKAGE / "__init__.py").is_file() or not project.is_file():
        return False
    try:
        content = tomllib.loads(project.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError):
        return False
    return content.get("project", {}).get("name") == PACKAGE


def check_checkout(folder: Path | None = None, root: Path = ROOT) -> None:
    """Refuse to run the code of one checkout inside of another.

    Args:
        folder: the working directory; None for the present one.
        root: the checkout whose package was imported.

    Raises:
        UserError: `folder` lies in another checkout than `root`; names both and the way out.
    """
    folder = (folder or Path.cwd()).resolve()
    for place in (folder, *folder.parents):
        if is_checkout(place) and place != root.resolve():
            raise UserError(
                f"the working directory belongs to the checkout {place}, but the code that runs is "
                f"that of {root}; run `make setup` in {place} and put its .venv/bin first on PATH, "
                f"or change to {root}"
            )
        if place == root.resolve():
            return


def root_of_command() -> Path:
    """The checkout whose package the command `diccae` imports.

    It may be another than that of the caller: Snakemake imports from the folder of its Snakefile
    first.

    Raises:
        UserError: the package is not installed for this interpreter.
    """
    # -P: not from the working directory
    words = [sys.executable, "-P", "-c", f"import {PACKAGE}; print({PACKAGE}.__path__[0])"]
    answer = subprocess.run(words, capture_output=True, text=True)
    if answer.returncode:
        raise UserError(
            f"the package {PACKAGE} is not installed for {sys.executable}; run `make setup` and "
            "put .venv/bin first on PATH"
        )
    return Path(answer.stdout.strip()).resolve().parent


def git(*arguments: str, root: Path = ROOT) -> bytes | None:
    """Output of a git command in a checkout.

    None where the checkout is not the root of a repository whose last commit has its files, for
    example because it lies in a folder of another repository, and where git is missing or fails.
    """
    top = _git(root, "rev-parse", "--show-toplevel")
    if top is None or Path(top.decode().strip()).resolve() != root.resolve():
        return None
    if not _git(root, "ls-tree", "HEAD", "--", PACKAGE):
        return None
    return _git(root, *arguments)


def _git(root: Path, *arguments: str) -> bytes | None:
    command = ["git", "--no-optional-locks", *arguments]
    try:
        return subprocess.run(command, cwd=root, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
