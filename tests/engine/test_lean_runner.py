"""Loaders of a run."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch.utils.data import TensorDataset

from diccae.engine.lean_runner import LeanRunner
from diccae.errors import UserError


def test_a_loader_without_a_batch_is_refused() -> None:
    runner = SimpleNamespace(_loaders=[])

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
