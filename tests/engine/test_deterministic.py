"""Training with `runtime.deterministic`, as far as it concerns a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from diccae import registry  # noqa: F401
from diccae.engine import clustering
from diccae.engine.runs import execute
from diccae.kernels import DETERMINISTIC
from diccae.run_graph import Run
from diccae.sections import Runtime
from tests.conftest import tiny_plan


@pytest.fixture(autouse=True)
def torch_as_before() -> Iterator[None]:
    """Undo what a run asks of torch for its whole process."""
    yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.deterministic = False


def test_training_uses_deterministic_algorithms_and_leaves_clustering_to_the_cpu(
    workspace: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def kmeans(features: np.ndarray, k: int, **options: Any) -> Any:
        asked.append((options["use_gpu"], torch.are_deterministic_algorithms_enabled()))
        return plain(features, k, **options)

    plain = clustering.kmeans
    monkeypatch.setattr(clustering, "kmeans", kmeans)
    for name, value in DETERMINISTIC.items():
        monkeypatch.setenv(name, value)
    plan = tiny_plan(workspace, tiny_data)
    plan = plan.model_copy(update={"runtime": Runtime(deterministic=True)})
    warmup = Run(plan, "warmup", "full", 0)
    execute(warmup)
    assert asked == [("never", True)]
    record = warmup.record()
    assert record is not None
    assert record["kernels"]["deterministic"] is True
    assert record["kernels"]["environment"].items() >= DETERMINISTIC.items()
