"""Where a checkpoint is loaded to when training resumes."""

from __future__ import annotations

from typing import Any

import pytest
from mmengine.runner import Runner

from diccae import registry  # noqa: F401
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
