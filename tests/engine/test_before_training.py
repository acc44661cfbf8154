"""What ends before the first step of training."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils.data import TensorDataset

from diccae.cli.train import train
from diccae.engine.lean_runner import LeanRunner
from diccae.errors import UserError
from tests.conftest import tiny_plan


def test_the_command_refuses_a_plan_whose_clips_are_too_few(
    workspace: Path, tiny_data: Path
) -> None:
    tiny_plan(workspace, tiny_data, **{"schedule.finetune.batch_size": 64})
    with pytest.raises(UserError, match="48 clips of split train are too few for .* 64"):
        train(variant="from_scratch", plan="tiny.yaml", seed=0, stage="finetune", modality="A")
    assert not Path("results").exists()


def test_a_loader_without_a_batch_is_refused() -> None:
    runner: Any = SimpleNamespace(_loaders=[])

    def build(batch_size: int) -> int:
        config = dict(
            dataset=TensorDataset(torch.zeros(5)),
            batch_size=batch_size,
            sampler=dict(type="DefaultSampler", shuffle=True),
            drop_last=True,
        )
        return len(LeanRunner.build_dataloader(runner, config))

    assert build(5) == 1
    with pytest.raises(UserError, match="5 clips make no batch of 6; lower the batch_size"):
        build(6)
