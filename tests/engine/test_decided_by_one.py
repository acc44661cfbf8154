"""Two processes that train one run see its files at different moments."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from tests.engine.processes import on_two_processes, start


def executing_worker(rank: int, folder: str) -> None:
    os.chdir(folder)
    start(rank, folder)
    from diccae.engine import runs

    trained: list[Any] = []
    harness: Any = runs
    harness.compat = harness.held_kernels = SimpleNamespace(
        apply=lambda: None, require=lambda runtime: None
    )
    harness.import_modules_from_strings = lambda **imports: None
    harness.origin_of = lambda *arguments: SimpleNamespace(key="key")
    # another workflow finishes the run after the main process has looked
    harness._finished = lambda run, origin: rank == 1
    harness._execute = lambda run, *arguments: trained.append(run)
    run: Any = SimpleNamespace(
        config=lambda: SimpleNamespace(custom_imports={}), settings=SimpleNamespace(runtime=None)
    )
    runs.execute(run)
    torch.save({"trained": len(trained)}, f"{rank}.pt")


def test_the_main_process_decides_whether_a_run_is_finished(tmp_path: Path) -> None:
    """Otherwise one of them would wait for another that has gone on to the next run."""
    assert on_two_processes(executing_worker, tmp_path) == [{"trained": 1}, {"trained": 1}]
