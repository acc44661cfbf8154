"""The stopwatch's bookkeeping, and a real calibration of the smoke plan's models."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from diccae.compose import Run
from diccae.planning import calibration
from diccae.planning.calibration import calibrate, kinds, parameters, timing
from diccae.plans import load_plan
from diccae.settings import settings_of


def test_timing_reaches_whole_batches_when_there_is_time() -> None:
    sizes: list[int] = []

    def clock(size: int) -> float:
        sizes.append(size)
        return 0.01 + 0.001 * size

    result = timing(clock, full=64, least=2, seconds=1000)
    assert (result.batch, result.full, result.repeats) == (64, 64, calibration.REPEATS)
    assert result.seconds == pytest.approx((0.01 + 0.064) / 64)
    assert sizes == sorted(sizes)


def test_timing_takes_one_small_batch_when_there_is_none() -> None:
    result = timing(lambda size: 3.0 * size, full=64, least=2, seconds=0.0)
    assert (result.seconds, result.batch, result.repeats) == (3.0, 2, 1)


def test_each_kind_of_run_is_timed_once_on_the_full_method() -> None:
    assert kinds(load_plan("smoke")) == [
        Run("pretrain", "full", 0),
        *(Run("finetune", "full", 0, modality) for modality in ("A", "V", "AV")),
    ]
    tuning = kinds(load_plan("tuning"))
    assert tuning[0] == Run("pretrain", "no_confusion_loss", 100)
    assert tuning[-1] == Run("finetune", "from_scratch", 100, "AV")


def test_parameters_are_those_of_the_models() -> None:
    plan = load_plan("vggsound")
    audio, both = (
        parameters(plan, Run("finetune", "full", 0, modality)) for modality in ("A", "AV")
    )
    # a ViT-B/16 has 86 million, and A-V has two
    assert audio == pytest.approx(86e6, rel=0.05)
    assert both == pytest.approx(2 * 86e6, rel=0.05)


def test_the_smoke_plans_models_train_and_score_on_made_up_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan, said = load_plan("smoke"), []
    threads = torch.get_num_threads()
    result = calibrate(plan, seconds=0.0, say=said.append)
    assert set(result.speeds) == {
        ("pretrain", "AV"),
        ("finetune", "A"),
        ("finetune", "V"),
        ("finetune", "AV"),
    }
    assert result.speeds["pretrain", "AV"].predict is None
    for kind, speed in result.speeds.items():
        assert speed.train.seconds > 0
        assert speed.embed.seconds > 0
        schedule = settings_of(plan, kind[0], "full").schedule
        assert speed.train.full == getattr(schedule, kind[0]).batch_size
        assert speed.predict is None or speed.predict.full == schedule.eval_batch_size
    assert result.kmeans > 0
    # clips are loaded by the training process itself, so that is in the speeds
    assert result.loading is None
    assert any("batches cut down (to 1 clips at least)" in remark for remark in result.remarks)
    assert said == ["pretrain AV", "finetune A", "finetune V", "finetune AV", "K-means"]
    assert torch.get_num_threads() == threads
    assert not any(tmp_path.iterdir())
