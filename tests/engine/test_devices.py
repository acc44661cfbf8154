"""Changes of a composed config for the hardware."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmaction.registry import MODELS

from diccae import registry  # noqa: F401
from diccae.engine import devices
from diccae.errors import UserError
from diccae.plans import load_plan
from diccae.run_graph import Run
from tests.conftest import tiny_plan


def test_on_a_gpu_every_loader_pins_its_batches(
    workspace: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Run(tiny_plan(workspace, tiny_data), "finetune", "full", 0).config()
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: True)
        devices.prepare(config)
    assert all(
        config[name].pin_memory
        for name in ("train_dataloader", "update_dataloader", "test_dataloader")
    )
    preprocessor, waits = MODELS.build(config.model.data_preprocessor), []

    def to(tensor: torch.Tensor, device: torch.device, non_blocking: bool = False) -> torch.Tensor:
        waits.append(not non_blocking)
        return tensor

    monkeypatch.setattr(torch.Tensor, "to", to)
    preprocessor.cast_data(torch.zeros(1))
    assert waits == [False]


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_bfloat16_without_a_gpu_is_an_error_that_names_the_key() -> None:
    with pytest.raises(
        UserError, match="schedule.precision: bfloat16 needs a GPU.*schedule.precision: float32"
    ):
        devices.prepare(Run(load_plan("vggsound"), "finetune", "full", 0).config())


def test_a_budget_in_steps_keeps_its_steps_with_several_processes(
    workspace: Path, tiny_data: Path
) -> None:
    plan = tiny_plan(
        workspace, tiny_data, **{"schedule.pretrain.epochs": 1, "schedule.pretrain.steps": 5}
    )
    config = Run(plan, "pretrain", "full", 0).config()
    assert config.train_dataloader.dataset.limit == 5 * 16
    devices.use_processes(config, 3)
    assert config.train_dataloader.dataset.limit == 3 * 5 * 16
    assert config.extract_dataloader is None  # nothing is clustered


def test_with_a_budget_in_steps_all_processes_cluster_what_they_train_on(
    workspace: Path, tiny_data: Path
) -> None:
    plan = tiny_plan(
        workspace, tiny_data, **{"schedule.warmup.epochs": 1, "schedule.warmup.steps": 2}
    )
    config = Run(plan, "warmup", "full", 0).config()
    devices.use_processes(config, 3)
    for loader in (config.train_dataloader, config.extract_dataloader):
        assert loader.dataset.limit == 3 * 2 * 16


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="this system's C library is not glibc"
)
def test_freed_memory_is_reused() -> None:
    """Repeated blocks of 16 MB, each of which would otherwise be 4096 new pages of the system."""
    code = """
import resource, torch
from diccae.engine.devices import keep_freed_memory
keep_freed_memory()
blocks = lambda: [torch.ones(2**22) for _ in range(3)]
blocks()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    blocks()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    # 60 new blocks would be 245,760 pages; with reuse it varies between runs, up to 20,480 pages
    assert int(done.stdout) < 60 * 4096 / 2
