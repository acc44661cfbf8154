"""Files of a committed reference against the verify.json beside them, without a verification: an
edit of one of both is refused before a sentence is made of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diccae.digests import file_digest, text_digest
from diccae.errors import UserError
from diccae.plan_name import results_root_of
from diccae.stored_file import read_json

# what is read of it
NAME, KEYS = "verify.json", ("runs", "sealed", "root")
RESTORE = "restore it: git checkout -- results/reference"


def root_digest(content: Mapping[str, Any]) -> str:
    """SHA-256 over all that a verify.json holds but its `root`, 64 hex digits."""
    rest = {name: value for name, value in content.items() if name != "root"}
    return text_digest(json.dumps(rest, sort_keys=True))


def is_intact(content: Mapping[str, Any]) -> bool:
    """Whether a verify.json has the root digest that it states."""
    return bool(content.get("root") == root_digest(content))


def read_listing(path: Path) -> dict[str, Any]:
    """Content of a verify.json, which has the root digest that it states.

    Raises:
        UserError: it cannot be read, lacks a key, or was edited.
    """
    content = read_json(path, RESTORE)
    missing = [key for key in KEYS if key not in content]
    if missing:
        raise UserError(f"{path} lacks the key {missing[0]!r}; {RESTORE}")
    if not is_intact(content):
        raise UserError(
            f"{path} was edited: its content does not have the root digest that it states; "
            f"{RESTORE}"
        )
    return content


def is_current(content: Mapping[str, Any], folder: Path) -> bool:
    """Whether a verify.json has the root digest that it states, and the tables and figures of a
    results folder those that it lists."""
    own = results_root_of(str(content.get("plan")))
    listed = {
        folder / Path(name).relative_to(own): digest
        for name, digest in content.get("files", {}).items()
        if Path(name).is_relative_to(own) and Path(name).suffix in (".csv", ".svg")
    }
    return is_intact(content) and all(
        path.is_file() and file_digest(path) == digest for path, digest in listed.items()
    )


def check_listed(path: Path) -> None:
    """Whether a table is the one that the verify.json beside it lists, if both are there.

    Raises:
        UserError: it is another one, or verify.json was edited.
    """
    seal = path.with_name(NAME)
    if not (seal.is_file() and path.is_file()):
        return
    content = read_listing(seal)
    own = results_root_of(str(content.get("plan"))) / path.name
    listed = content.get("files", {}).get(str(own))
    if listed is not None and listed != file_digest(path):
        raise UserError(
            f"{path} is not the file that {seal} lists: it was edited, or made again since; "
            f"{RESTORE}, or seal it: diccae report --results {path.parent}"
        )
