"""Real training runs on real clips: resuming, workers, stock tools, and what a run refuses."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from diccae import registry  # noqa: F401
from diccae.compose import Run, compose
from diccae.engine.records import commit
from diccae.engine.runs import execute, work_dir
from diccae.errors import UserError
from diccae.hashes import file_hash
from diccae.plans import Plan
from tests.conftest import COUNTS, tiny_plan

# Runs the command line in a process that is killed at the end of an epoch, before the next one starts.
KILLED = """
import os, signal, sys
from diccae.cli import main
from diccae.engine.hooks.progress import ProgressHook

def kill(self, runner):
    if runner.epoch + 1 == {epoch}:
        os.kill(os.getpid(), signal.SIGKILL)

ProgressHook.after_train_epoch = kill
sys.argv = ['diccae', *{arguments}]
main.main()
"""


def run_warmup(plan: Plan) -> None:
    shutil.rmtree(execute(plan, Run("warmup", "warmup", 0)))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "record.json"}


@pytest.mark.parametrize(("stage", "epoch"), [("pretrain", 3), ("finetune", 11)])
def test_a_run_killed_and_resumed_equals_an_unbroken_one(
    workspace: Path, tiny_data: Path, stage: str, epoch: int
) -> None:
    # re-clustering at epochs 2 and 4, checkpoints of fine-tuning at 10
    plan = tiny_plan(
        workspace,
        tiny_data,
        **{"schedule.pretrain.epochs": 5, "schedule.finetune.epochs": 12, "method.refine_every": 2},
    )
    run_warmup(plan)
    arguments = [stage, "--plan", "tiny.yaml", "--variant", "full_ce", "--seed", "0"]
    if stage == "finetune":
        shutil.rmtree(execute(plan, Run("pretrain", "full_ce", 0)))
        arguments += ["--modality", "AV"]
    run = Run(stage, "full_ce", 0)
    folder = plan.run_dir(stage, "full_ce", 0, "AV" if stage == "finetune" else None)
    shutil.rmtree(execute(plan, run))
    unbroken = contents(folder)
    shutil.rmtree(folder)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED.format(epoch=epoch, arguments=arguments)],
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not folder.exists()
    resumed = subprocess.run(
        [sys.executable, "-m", "diccae.cli.main", *arguments], capture_output=True, text=True
    )
    assert resumed.returncode == 0, resumed.stderr
    assert "going on from epoch_" in resumed.stdout
    assert contents(folder) == unbroken
    assert not list((workspace / "results" / "work").iterdir())


def test_labels_and_augmentation_are_the_same_with_two_persistent_workers(
    workspace: Path, tiny_data: Path
) -> None:
    histories = []
    for workers in (0, 2):
        folder = workspace / str(workers)
        folder.mkdir()
        plan = tiny_plan(
            folder,
            tiny_data,
            **{
                "schedule.num_workers": workers,
                "schedule.pretrain.epochs": 4,
                "method.refine_every": 1,
            },
        )
        run_warmup(plan)
        execute(plan, Run("pretrain", "full_ce", 0))
        histories.append(pd.read_csv(plan.run_dir("pretrain", "full_ce", 0) / "history.csv"))
        shutil.rmtree("results")
    pd.testing.assert_frame_equal(*histories)


def test_what_a_finished_run_leaves(workspace: Path, tiny_data: Path) -> None:
    plan = tiny_plan(workspace, tiny_data)
    run_warmup(plan)
    execute(plan, Run("pretrain", "full", 0))
    execute(plan, Run("finetune", "full", 0, "AV"))
    folder = plan.run_dir("finetune", "full", 0, "AV")
    predictions = pd.read_parquet(folder / "predictions.parquet")
    assert predictions.groupby(["split", "view"]).size().to_dict() == {
        (split, view): COUNTS[split]
        for split in ("test", "validation")
        for view in ("multi", "single")
    }
    stated = json.loads((folder / "metrics.json").read_text())["accuracy"]["test"]["top1_multi"]
    headline = predictions[(predictions["split"] == "test") & (predictions["view"] == "multi")]
    assert stated == pytest.approx(100 * (headline["top1"] == headline["label"]).mean())
    with np.load(folder / "confusion.npz") as arrays:
        assert arrays["test_degree"].shape == (12, 12)
        assert arrays["counts_matrix"].sum() == COUNTS["test"]
        assert arrays["update_weight"].min() >= 0
        assert arrays["update_weight"].max() <= 2
    with np.load(plan.run_dir("pretrain", "full", 0) / "assignments.npz") as arrays:
        assert len(arrays["ids"]) == COUNTS["unlabelled"]
        assert arrays["epochs"].tolist() == [0, 1]
    record = json.loads((folder / "record.json").read_text())
    assert record["files"] == {name: file_hash(folder / name) for name in contents(folder)}
    assert record["settings"]["method"]["coverage"] == 0.95
    before = (folder / "predictions.parquet").stat().st_mtime_ns
    execute(plan, Run("finetune", "full", 0, "AV"))
    assert (folder / "predictions.parquet").stat().st_mtime_ns == before


def test_finished_files_come_back_after_a_failed_job_lost_them(
    workspace: Path, tiny_data: Path
) -> None:
    plan = tiny_plan(workspace, tiny_data)
    run = Run("finetune", "from_scratch", 0, "A")
    work = execute(plan, run)
    folder = plan.run_dir("finetune", "from_scratch", 0, "A")
    kept = contents(folder)
    shutil.rmtree(folder)
    assert execute(plan, run) == work
    assert contents(folder) == kept


def test_update_clips_are_withheld_from_training(workspace: Path, tiny_data: Path) -> None:
    from mmaction.registry import DATASETS

    plan = tiny_plan(workspace, tiny_data)
    for run in (
        Run("pretrain", "full", 0),
        Run("finetune", "full", 0),
        Run("finetune", "test_portion", 0),
    ):
        config = compose(plan, run)
        train, update = (
            DATASETS.build(config[name].dataset)
            for name in ("train_dataloader", "update_dataloader")
        )
        assert not set(train.ids) & set(update.ids)
        assert len(update) == (48 if run.stage == "pretrain" else 36)
    again = DATASETS.build(
        compose(plan, Run("finetune", "no_confusion_loss", 0)).train_dataloader.dataset
    )
    assert set(again.ids) == set(train.ids)


def test_stock_tools_train_and_test_the_composed_config(workspace: Path, tiny_data: Path) -> None:
    plan = tiny_plan(workspace, tiny_data, **{"schedule.finetune.epochs": 1})
    compose(plan, Run("finetune", "from_scratch", 0, "AV")).dump("run.py")
    tools = Path(find_spec("mmaction").submodule_search_locations[0]) / ".mim" / "tools"  # type: ignore[union-attr, index]
    for command in (
        ["train.py", "run.py", "--work-dir", "stock"],
        ["test.py", "run.py", "stock/epoch_1.pth", "--work-dir", "stock"],
    ):
        result = subprocess.run(
            [sys.executable, str(tools / command[0]), *command[1:]], capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr[-2000:]
    assert "acc/top1" in result.stdout + result.stderr


@pytest.mark.parametrize("run", [Run("pretrain", "full", 0), Run("finetune", "full", 0)])
def test_a_run_names_the_command_that_makes_what_it_starts_from(
    workspace: Path, tiny_data: Path, run: Run
) -> None:
    with pytest.raises(
        UserError, match="run `diccae (warmup|pretrain --variant full) --plan tiny --seed 0` first"
    ):
        execute(tiny_plan(workspace, tiny_data), run)


def test_a_diverged_run_says_so(workspace: Path, tiny_data: Path) -> None:
    plan = tiny_plan(workspace, tiny_data, **{"schedule.finetune.lr": 1e30})
    with pytest.raises(UserError, match="diverged|NaN"):
        execute(plan, Run("finetune", "from_scratch", 0, "A"))


def test_keys_change_with_what_a_run_depends_on(workspace: Path, tiny_data: Path) -> None:
    from diccae.hashes import config_hash, run_key

    one, other = (
        tiny_plan(workspace, tiny_data),
        tiny_plan(workspace, tiny_data, **{"schedule.finetune.lr": 0.5}),
    )
    run = Run("finetune", "from_scratch", 0, "A")
    keys = {
        run_key(config_hash(compose(one, run)), one, {}),
        run_key(config_hash(compose(other, run)), one, {}),
        run_key(config_hash(compose(one, run)), one, {"weights": "x"}),
    }
    assert len(keys) == 3
    assert work_dir("k") == Path("results/work/k")


@pytest.mark.parametrize(
    ("told", "known"), [("abc123", ("abc123", False)), ("abc123-dirty", ("abc123", True))]
)
def test_a_container_tells_the_commit_and_whether_its_tree_had_changes(
    monkeypatch: pytest.MonkeyPatch, told: str, known: tuple[str, bool]
) -> None:
    monkeypatch.setenv("DICCAE_COMMIT", told)
    assert commit() == known
