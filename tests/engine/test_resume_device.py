"""Where a checkpoint is loaded to when training resumes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.runner import Runner

from diccae import registry  # noqa: F401
from diccae.engine.hooks.confusion_degree import ConfusionDegreeHook
from diccae.engine.hooks.history import HistoryHook
from diccae.engine.hooks.pseudo_labels import PseudoLabelHook
from diccae.engine.lean_runner import LeanRunner


def test_a_checkpoint_is_loaded_into_main_memory_also_where_there_is_a_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    places = []

    def load(self: Runner, filename: str, map_location: str) -> dict[str, Any]:
        places.append(map_location)
        raise InterruptedError

    monkeypatch.setattr("mmengine.runner.runner.get_device", lambda: "cuda")
    monkeypatch.setattr(Runner, "load_checkpoint", load)
    with pytest.raises(InterruptedError):
        LeanRunner.resume(object.__new__(LeanRunner), "epoch_1.pth")
    assert places == ["cpu"]


def test_what_hooks_keep_comes_back_from_a_gpu_where_the_stock_tools_load_it_to() -> None:
    values = torch.ones(2, 2)
    on_gpu: Any = SimpleNamespace(cpu=lambda: values)
    checkpoint = {
        "confusion_degree": {"degree": on_gpu},
        "weight_sum": on_gpu,
        "pseudo_labels": {"assignments": {"train": on_gpu}, "inertia": {}},
    }
    degrees, history = ConfusionDegreeHook({}, {}), HistoryHook()
    labels = PseudoLabelHook(refine_every=1, seed=0, initial="", k=2, restarts=1)
    hooks: tuple[Any, ...] = (degrees, history, labels)
    for hook in hooks:
        hook.after_load_checkpoint(None, checkpoint)
    assert degrees.state["degree"] is values
    assert history.weight_sum is values
    assert labels.assignments["train"] is values
