"""Short trainings: what the warm-up shares with pre-training, and random cluster ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from diccae import registry  # noqa: F401
from diccae.engine.runs import execute
from diccae.run_graph import Run
from tests.conftest import tiny_plan


def test_the_warm_up_has_the_weights_of_infonce_only_pre_training(
    workspace: Path, tiny_data: Path
) -> None:
    plan = tiny_plan(workspace, tiny_data)
    warmup, alone = (Run(plan, stage, "no_kmeans", 0) for stage in ("warmup", "pretrain"))
    assert alone.owner.stage == "warmup"
    for run in (warmup, alone):
        execute(run)
    states = [torch.load(run.folder / "weights.pth", weights_only=True) for run in (warmup, alone)]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_random_cluster_ids_have_the_sizes_of_the_clusters(
    workspace: Path, tiny_data: Path
) -> None:
    plan = tiny_plan(workspace, tiny_data)
    execute(Run(plan, "warmup", "full", 0))
    control = Run(plan, "pretrain", "random_clusters", 0)
    execute(control)
    with (
        np.load(Run(plan, "warmup", "full", 0).folder / "assignments.npz") as warmup,
        np.load(control.folder / "assignments.npz") as own,
    ):
        known = dict(zip(warmup["ids"], warmup["assign_0"], strict=True))
        first = np.array([known[name] for name in own["ids"]])
        assert own["epochs"].tolist() == [0, 1]
        assert np.bincount(own["assign_0"]).tolist() == np.bincount(first).tolist()
        assert (own["assign_0"] == first).mean() < 0.5
