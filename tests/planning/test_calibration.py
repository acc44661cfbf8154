"""How batches are timed, and a real calibration of the smoke plan's models."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.registry import DefaultScope

from diccae.planning.bench import REPEATS, Bench, parameters, timing
from diccae.planning.calibration import calibrate
from diccae.planning.speeds import Kind, kind_of, kinds
from diccae.planning.synthetic_clips import write_synthetic_cache
from diccae.plans import load_plan
from diccae.run_graph import Run
from diccae.settings import settings_of


def test_timing_reaches_whole_batches_when_there_is_time() -> None:
    sizes: list[int] = []

    def clock(size: int) -> float:
        sizes.append(size)
        return 0.01 + 0.001 * size

    result = timing(clock, full=64, least=2, seconds=1000)
    assert (result.batch, result.full, result.repeats) == (64, 64, REPEATS)
    assert result.seconds == pytest.approx((0.01 + 0.064) / 64)
    assert sizes == sorted(sizes)


def test_timing_without_time_takes_one_small_batch() -> None:
    result = timing(lambda size: 3.0 * size, full=64, least=2, seconds=0.0)
    assert (result.seconds, result.batch, result.repeats) == (3.0, 2, 1)


def test_each_kind_of_run_is_timed_once_on_the_full_method() -> None:
    smoke = load_plan("smoke")
    timed = kinds(smoke)
    assert [run for run in timed if run.variant == "full"] == [
        Run(smoke, "pretrain", "full", 200),
        *(Run(smoke, "finetune", "full", 200, modality) for modality in ("A", "V", "AV")),
    ]
    # the same system on other encoders, and other systems
    on_tokens = [run for run in timed if run.variant in ("diccae_tokens", "scratch_tokens")]
    assert sorted(run.modality for run in on_tokens) == ["A", "AV", "AV", "V"]
    assert [run.stage for run in timed if run.variant == "gblend"].count("estimate") == 1
    tuning = load_plan("tuning")
    assert kinds(tuning)[0] == Run(tuning, "warmup", "no_confusion_loss@lr=0.000125", 300)
    assert kinds(tuning)[-1] == Run(tuning, "finetune", "from_scratch@lr=0.001", 300, "AV")


def test_a_stage_that_reads_no_further_clips_is_timed_on_its_training_clips(
    tmp_path: Path,
) -> None:
    run = Run(load_plan("embedded"), "pretrain", "av_mae", 0)
    cache = write_synthetic_cache(run.plan, [run], tmp_path / "cache")
    with DefaultScope.overwrite_default_scope("mmaction"):
        speed = Bench(run, cache, torch.device("cpu"), load=True).speed(0.0)
    assert speed.predict is None
    assert (speed.train.full, speed.embed.full) == (64, 64)


def test_clips_go_to_the_device_of_the_model(tmp_path: Path) -> None:
    # a device that is not the CPU, as a GPU is
    device = torch.device("meta")
    run = Run(load_plan("smoke"), "pretrain", "full", 200)
    cache = write_synthetic_cache(run.plan, [run], tmp_path / "cache")
    with DefaultScope.overwrite_default_scope("mmaction"):
        model = Bench(run, cache, device, load=False).model
    clip = {"inputs": {"audio": [torch.zeros(64, 64, dtype=torch.float16)]}}
    moved = model.data_preprocessor(clip)["inputs"]["audio"]
    assert moved.device == device == next(model.parameters()).device


def test_parameters_are_those_of_the_models() -> None:
    plan = load_plan("vggsound")
    audio, both = (
        parameters(Run(plan, "finetune", "full", 0, modality)) for modality in ("A", "AV")
    )
    # a ViT-B/16 has 86 million, and A-V has two
    assert audio == pytest.approx(86e6, rel=0.05)
    assert both == pytest.approx(2 * 86e6, rel=0.05)


def test_the_smoke_plans_models_train_and_score_on_synthetic_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan, reported = load_plan("smoke"), []
    threads = torch.get_num_threads()
    result = calibrate(plan, seconds=0.0, report=reported.append)
    pretraining = Kind("diccae", False, "AV")
    tuned = {Kind("diccae", True, modality) for modality in ("A", "V", "AV")}
    assert set(result.speeds) >= {pretraining} | tuned
    assert set(result.speeds) == {kind_of(run) for run in kinds(plan)}
    assert result.speeds[pretraining].predict is None
    for kind, speed in result.speeds.items():
        assert speed.train.seconds > 0
        assert speed.embed.seconds > 0
        schedule = settings_of(plan, "finetune", "full").schedule
        stage = "finetune" if kind.labelled else "pretrain"
        assert speed.train.full == schedule.stages[stage].batch_size
        assert speed.predict is None or speed.predict.full == schedule.eval_batch_size
    assert result.kmeans > 0
    # clips are loaded by the training process itself, so that is in the speeds
    assert result.loading is None
    assert any("(the smallest of 1 clips)" in remark for remark in result.remarks)
    assert reported == [*(str(kind_of(run)) for run in kinds(plan)), "K-means"]
    assert {"pre-training AV", "fine-tuning A", "fine-tuning V on tokens"} <= set(reported)
    assert torch.get_num_threads() == threads
    assert not any(tmp_path.iterdir())
