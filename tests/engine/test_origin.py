"""What a run says that it was made from: its key, and the commit."""

from __future__ import annotations

from pathlib import Path

import pytest

from diccae.engine.records import commit
from diccae.engine.runs import origin_of, work_dir
from diccae.hashes import KEY_PARTS, run_key
from diccae.run_graph import Run
from tests.conftest import tiny_plan


def test_keys_change_with_everything_that_a_run_depends_on(
    workspace: Path, tiny_data: Path
) -> None:
    one, other = (
        Run(tiny_plan(workspace, tiny_data, **overrides), "finetune", "from_scratch", 0, "A")
        for overrides in ({}, {"schedule.finetune.lr": 0.5})
    )
    origin = origin_of(one)
    assert set(origin.parts) <= set(KEY_PARTS)
    keys = {
        origin.key,
        origin_of(other).key,
        origin_of(one, processes=2).key,
        *(run_key(origin.parts | {name: "other"}) for name in origin.parts),
    }
    assert len(keys) == 3 + len(origin.parts)
    # what a record holds besides is no part of the key
    assert run_key(origin.parts | {"wall_seconds": 1.0}) == origin.key
    assert work_dir("k") == Path("results/work/k")


@pytest.mark.parametrize(
    ("stated", "known"), [("abc123", ("abc123", False)), ("abc123-dirty", ("abc123", True))]
)
def test_a_container_gives_the_commit_and_whether_its_tree_had_changes(
    monkeypatch: pytest.MonkeyPatch, stated: str, known: tuple[str, bool]
) -> None:
    monkeypatch.setenv("DICCAE_COMMIT", stated)
    assert commit() == known
