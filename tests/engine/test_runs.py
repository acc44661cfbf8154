"""Real training runs on real clips: results, resuming, workers and errors."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from mmengine.runner import Runner

from diccae import registry  # noqa: F401
from diccae.cli.main import main
from diccae.engine.hooks.progress import ProgressHook
from diccae.engine.runs import execute
from diccae.errors import UserError
from diccae.evaluation.withheld import KINDS
from diccae.hashes import file_hash, record_digest, run_key
from diccae.plans import Plan
from diccae.run_graph import Run, with_parents
from tests.conftest import COUNTS, tiny_plan


def run_killed(epoch: int, arguments: list[str]) -> None:
    """Run the command line in this process, which kills itself at the end of an epoch."""

    def kill(self: ProgressHook, runner: Runner) -> None:
        if runner.epoch + 1 == epoch:
            os.kill(os.getpid(), signal.SIGKILL)

    # those of pytest's test stay in the memory of this process
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    ProgressHook.after_train_epoch = kill
    sys.argv = ["diccae", *arguments]
    main()


def pretrained(plan: Plan, variant: str) -> Run:
    """Train the pre-training run of a variant and the warm-up that it starts from."""
    run = Run(plan, "pretrain", variant, 0)
    for each in with_parents([run]):
        execute(each)
    return run


def compute(run: Run) -> dict[str, float]:
    """What its record says that it computed."""
    return json.loads((run.folder / "record.json").read_text())["compute"]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "record.json"}


@pytest.mark.parametrize(
    ("variant", "stage", "epoch"),
    [
        ("full_ce", "pretrain", 3),
        ("full_ce", "finetune", 11),
        # masks of the clips, and weights of the losses that the checkpoint of epoch 10 holds
        ("cav_mae", "pretrain", 3),
        ("gblend_online", "finetune", 11),
    ],
)
def test_a_killed_and_resumed_run_equals_an_uninterrupted_one(
    workspace: Path,
    tiny_data: Path,
    capsys: pytest.CaptureFixture[str],
    variant: str,
    stage: str,
    epoch: int,
) -> None:
    # re-clustering at epochs 2 and 4, estimates of the weights at 0 and 7, checkpoints of
    # fine-tuning at 10
    plan = tiny_plan(
        workspace,
        tiny_data,
        **{
            "schedule.pretrain.epochs": 5,
            "schedule.finetune.epochs": 12,
            "method.refine_every": 2,
            "method.super_epoch": 7,
        },
    )
    words = ["--plan", "tiny.yaml", "--variant", variant, "--seed", "0", "--stage", stage]
    arguments = ["train", *words]
    run = Run(plan, stage, variant, 0)
    for each in with_parents([run]):
        execute(each)
    folder = run.folder
    unbroken, computed = contents(folder), compute(run)
    shutil.rmtree(folder)
    # CUDA does not survive a fork, which saves the imports
    context = multiprocessing.get_context("spawn" if torch.cuda.is_available() else "fork")
    process = context.Process(target=run_killed, args=(epoch, arguments))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not folder.exists()
    execute(run)
    assert "resuming from epoch_" in capsys.readouterr().out
    assert contents(folder) == unbroken
    assert compute(run) == computed
    assert not list((workspace / "results" / "work").iterdir())


def test_labels_and_augmentation_are_the_same_with_two_persistent_workers(
    workspace: Path, tiny_data: Path
) -> None:
    histories, others = [], multiprocessing.active_children()
    for workers in (0, 2):
        folder = workspace / str(workers)
        folder.mkdir()
        plan = tiny_plan(
            folder,
            tiny_data,
            **{
                "schedule.num_workers": workers,
                "schedule.pretrain.epochs": 3,
                "method.refine_every": 1,
            },
        )
        histories.append(pd.read_csv(pretrained(plan, "full_ce").folder / "history.csv"))
        shutil.rmtree("results")
        # workers that outlive their run would block the garbage collector
        for child in set(multiprocessing.active_children()) - set(others):
            child.join(timeout=60)
            assert not child.is_alive()
    pd.testing.assert_frame_equal(*histories)


def test_files_of_a_finished_run(workspace: Path, tiny_data: Path) -> None:
    plan = tiny_plan(workspace, tiny_data)
    first, run = pretrained(plan, "full"), Run(plan, "finetune", "full", 0, "AV")
    execute(run)
    folder = run.folder
    predictions = pd.read_parquet(folder / "predictions.parquet")
    assert predictions.groupby(["split", "view"]).size().to_dict() == {
        (split, view): COUNTS[split]
        for split in ("test", "validation")
        for view in ("multi", "single")
    }
    stated = json.loads((folder / "metrics.json").read_text())["accuracy"]["test"]["top1_multi"]
    headline = predictions[(predictions["split"] == "test") & (predictions["view"] == "multi")]
    assert stated == pytest.approx(100 * (headline["top1"] == headline["label"]).mean())
    withheld = pd.read_parquet(folder / "withheld.parquet")
    assert withheld.groupby(["split", "withheld", "filling"]).size().to_dict() == {
        (split, *kind): COUNTS[split] for split in ("test", "validation") for kind in KINDS
    }
    with np.load(folder / "confusion.npz") as arrays:
        assert arrays["test_degree"].shape == (12, 12)
        assert arrays["confusion_matrix"].sum() == COUNTS["test"]
        assert arrays["update_weight"].min() >= 0
        assert arrays["update_weight"].max() <= 2
        used = arrays["mean_weight"][np.triu_indices(12, 1)]
    history = pd.read_csv(folder / "history.csv")
    # ones in the first epoch, and the weights of its degrees in the second
    assert history["weight_mean"][0] == 1
    assert used.mean() == pytest.approx(history["weight_mean"].mean(), abs=1e-6)
    with np.load(first.folder / "assignments.npz") as arrays:
        assert len(arrays["ids"]) == COUNTS["unlabelled"]
        assert arrays["epochs"].tolist() == [0, 1]
    record = json.loads((folder / "record.json").read_text())
    assert record["digest"] == record_digest(record)
    assert record["key"] == run_key(record)
    assert record["files"] == {name: file_hash(folder / name) for name in contents(folder)}
    assert record["settings"]["method"]["coverage"] == 0.95
    # two epochs of 48 clips in batches of 16, and the degrees of 36 update clips after each
    computed = compute(run)
    assert (computed["clips_trained"], computed["clips_read"]) == (96, 72)
    assert computed["training_tflop"] == pytest.approx(
        computed["gflop_training"] * (3 * 96 + 72) / 1000
    )
    # two epochs of 96 of 144 clips; in the warm-up all of them are clustered once
    (warmup,) = set(first.parents.values())
    assert (compute(warmup)["clips_trained"], compute(warmup)["clips_read"]) == (192, 144)
    assert compute(warmup)["gflop_inference"] is None
    before = (folder / "predictions.parquet").stat().st_mtime_ns
    execute(run)
    assert (folder / "predictions.parquet").stat().st_mtime_ns == before


# mmengine names a run by its folder and the second of its start, and warns of the same name twice
@pytest.mark.filterwarnings("ignore::UserWarning:mmengine.utils.manager")
def test_a_finished_run_with_a_missing_file_is_trained_again(
    workspace: Path, tiny_data: Path
) -> None:
    run = Run(tiny_plan(workspace, tiny_data), "finetune", "from_scratch", 0, "A")
    execute(run)
    kept = contents(run.folder)
    # there is no other modality to withhold
    assert "withheld.parquet" not in kept
    (run.folder / "predictions.parquet").unlink()
    (run.folder / "left_over.npz").touch()
    execute(run)
    assert contents(run.folder) == kept


def test_update_clips_are_withheld_from_training(workspace: Path, tiny_data: Path) -> None:
    from mmaction.registry import DATASETS

    plan = tiny_plan(workspace, tiny_data)
    for run in (
        Run(plan, "pretrain", "full", 0),
        Run(plan, "finetune", "full", 0),
        Run(plan, "finetune", "test_portion", 0),
    ):
        config = run.config()
        train, update = (
            DATASETS.build(config[name].dataset)
            for name in ("train_dataloader", "update_dataloader")
        )
        assert not set(train.ids) & set(update.ids)
        assert len(update) == (48 if run.stage == "pretrain" else 36)
    again = DATASETS.build(
        Run(plan, "finetune", "no_confusion_loss", 0).config().train_dataloader.dataset
    )
    assert set(again.ids) == set(train.ids)


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_a_missing_parent_names_the_command_that_trains_it(
    workspace: Path, tiny_data: Path, stage: str
) -> None:
    with pytest.raises(
        UserError, match="run `diccae train --plan tiny --variant full --seed 0` first"
    ):
        execute(Run(tiny_plan(workspace, tiny_data), stage, "full", 0))


def test_a_diverged_run_is_an_error(workspace: Path, tiny_data: Path) -> None:
    plan = tiny_plan(workspace, tiny_data, **{"schedule.finetune.lr": 1e30})
    with pytest.raises(UserError, match="diverged|NaN"):
        execute(Run(plan, "finetune", "from_scratch", 0, "A"))
