"""Edits at random places of every file of a results folder: none is missed."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

from diccae.plans import Plan
from diccae.seals.finding import Finding
from diccae.seals.seal import seal_path
from diccae.seals.stated import is_stated
from diccae.seals.verify import verify
from tests.seals.conftest import ROOT
from tests.seals.edits import edit

EDITS, AT_ONCE = 150, 75


def files_of(plan: Plan) -> list[Path]:
    """Every file but those that are stated only."""
    files = (path for folder in (ROOT, Path("data")) for path in sorted(folder.rglob("*")))
    return [path for path in files if path.is_file() and not is_stated(plan, path)]


def test_every_edit_of_every_file_is_named_and_no_other_file_is_accused(sealed: Plan) -> None:
    rng = random.Random(0)
    originals = {path: path.read_bytes() for path in files_of(sealed)}
    waiting: list[Path] = []
    made: Counter[str] = Counter()
    while made.total() < EDITS:
        waiting = waiting or rng.sample(list(originals), len(originals))
        chosen, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
        if seal_path(sealed) in chosen and len(chosen) > 1:
            # what it lists does not count once it is edited: it comes alone
            chosen.remove(seal_path(sealed))
            waiting = [*waiting, seal_path(sealed)] if waiting else [seal_path(sealed)]
        edits = {path: edit(path, originals, rng) for path in chosen}
        problems = [each for each in map(_finding, verify(sealed)["findings"]) if each.problem]
        for path, how in edits.items():
            assert any(problem.accuses(path) for problem in problems), f"{path}: {how} was missed"
        renamed = [path.with_name(f"renamed-{path.name}") for path in chosen]
        for problem in problems:
            if problem.kind != "stale":
                assert any(problem.accuses(path) for path in (*chosen, *renamed)), problem
        for path in renamed:
            path.unlink(missing_ok=True)
        for path in chosen:
            path.write_bytes(originals[path])
        made.update(edits.values())
    assert verify(sealed)["findings"] == []


def _finding(content: dict[str, object]) -> Finding:
    return Finding(**content)  # type: ignore[arg-type]
