"""Trained results of a tiny plan, as runs and as shards, and an audit of the shards."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from diccae.artifacts import artifacts_of
from diccae.cli.main import app
from diccae.plans import Plan, load_plan
from diccae.run_graph import scored_runs, with_parents
from diccae.seals.seal import seal_path, seal_text
from diccae.seals.shard_export import export_shard
from diccae.seals.verify import verify
from tests.conftest import made_once, tiny_plan

# results of runs that nobody trained, for what comes before training
from tests.seals.conftest import plain_pictures, sealed, sealed_folder  # noqa: F401

SECTION = {"variants": ["full", "from_scratch"], "modalities": ["AV"]}
OTHERS = ("table2", "sensitivity", "controls", "mechanism", "leakage", "figure2", "figure3")


def seal(plan: Plan) -> str:
    """Build the table and seal the results; the root digest."""
    artifacts_of(plan)["table1"].make(plan, plan.results_root() / "table1.csv")
    content = verify(plan, sealing=True)
    assert content["sealed"], content["findings"]
    seal_path(plan).write_text(seal_text(content))
    return content["root"]


@pytest.fixture(scope="session")
def audited_folder(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with trained runs (results/tiny), their shard (shards), the folder that an audit of
    the shard trained in (work) and what it printed (said.txt)."""
    from diccae import registry  # noqa: F401
    from diccae.engine.runs import execute

    def make(folder: Path) -> None:
        with contextlib.chdir(folder):
            shutil.copytree(tiny_data, "data", symlinks=True)
            tiny_plan(folder, Path("data"))
            _cut_down(folder / "tiny.yaml")
            plan = load_plan("tiny.yaml")
            for run in with_parents(scored_runs(plan, plan.needs())):
                execute(run)
            seal(plan)
            Path("shards").mkdir()
            export_shard(plan, 0, Path("shards/seed0.npz"))
            seal(plan.at(Path("shards")))
            # nothing of the runs can be used
            Path("results").rename("away")
            words = "verify --results shards --retrain 2 --word rain --work work"
            done = CliRunner().invoke(app, words.split(), catch_exceptions=False)
            Path("away").rename("results")
            Path("said.txt").write_text(f"{done.exit_code}\n{done.output}")

    return made_once(tmp_path_factory, "audited", make)


def _cut_down(path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    content |= {"seeds": [0], "table1": SECTION} | dict.fromkeys(OTHERS)
    stages = ("warmup", "pretrain", "finetune")
    content["overrides"] |= {f"schedule.{stage}.epochs": 1 for stage in stages}
    path.write_text(yaml.safe_dump(content))


@pytest.fixture
def audited(audited_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """The plan; the working directory is a copy of `audited_folder`."""
    shutil.copytree(audited_folder, tmp_path, symlinks=True, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return load_plan("tiny.yaml")
