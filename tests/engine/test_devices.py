"""Configs fitted to the hardware."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmaction.registry import MODELS

from diccae import registry  # noqa: F401
from diccae.compose import Run, compose
from diccae.engine import devices
from diccae.settings import load_plan
from diccae.structures import UserError
from tests.conftest import tiny_plan

RUN = Run("finetune", "full", 0, "AV")


def test_on_a_gpu_every_loader_pins_its_batches(
    workspace: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = compose(tiny_plan(workspace, tiny_data), RUN)
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: True)
        devices.prepare(config)
    assert all(config[name].pin_memory for name in ("train_dataloader", "update_dataloader", "test_dataloader"))
    assert MODELS.build(config.model.data_preprocessor)._non_blocking


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_bfloat16_without_a_gpu_is_refused_with_the_key() -> None:
    with pytest.raises(UserError, match="schedule.precision: bfloat16 needs a GPU.*schedule.precision: float32"):
        devices.prepare(compose(load_plan("vggsound"), RUN))


def test_a_budget_in_steps_stays_one_with_several_processes(workspace: Path, tiny_data: Path) -> None:
    plan = tiny_plan(workspace, tiny_data, **{"schedule.pretrain.epochs": 1, "schedule.pretrain.steps": 5})
    config = compose(plan, Run("pretrain", "full", 0))
    assert config.train_dataloader.dataset.limit == 5 * 16
    devices.use_processes(config, 3)
    assert config.train_dataloader.dataset.limit == 3 * 5 * 16
