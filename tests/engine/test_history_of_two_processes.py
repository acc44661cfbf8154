"""Rows of history.csv of two processes."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from tests.engine.processes import RANKS, on_two_processes, start


def history_worker(rank: int, folder: str) -> None:
    os.chdir(folder)
    start(rank, folder)
    from diccae.engine.hooks.history import HistoryHook

    network = SimpleNamespace(history=dict)
    runner: Any = SimpleNamespace(
        epoch=0,
        iter=2,
        model=SimpleNamespace(module=network),
        optim_wrapper=SimpleNamespace(get_lr=lambda: {"lr": [0.1]}),
    )
    hook = HistoryHook()
    for step in range(2):
        loss = torch.tensor(1.0 + 2 * rank + step)
        hook.after_train_iter(runner, step, outputs={"loss": loss, "loss_cls": loss})
    hook.after_train_epoch(runner)
    torch.save(hook.rows[0], f"{rank}.pt")


def test_a_loss_is_the_mean_over_the_clips_of_both(tmp_path: Path) -> None:
    rows = on_two_processes(history_worker, tmp_path)
    assert len(rows) == RANKS
    for row in rows:
        assert row["loss"] == row["loss_cls"] == 2.5
        assert row["share_cls"] == 1.0
