"""The order of the test files, and a tiny benchmark of real clips for all tests that train."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

# before the libraries that read the environment are imported
import tests.fixed_kernels  # noqa: F401

# isort: split
# mmengine's formatter writes a cache on its first import, and not in one piece: the process that
# starts the others does it before them
import mmengine.config  # noqa: F401
import numpy as np
import pytest
import yaml

from diccae.plans import CONFIG_ROOT, Plan, load_plan

COUNTS = {"unlabelled": 144, "train": 48, "update": 48, "validation": 24, "test": 48}
# settings of a plan that trains on as many
SMALL = {
    "benchmark.counts": COUNTS,
    "data.train_per_class": 4,
    "data.update_per_class": 3,
    "data.update_unlabelled": 48,
    "method.kmeans_k": 6,
    "schedule.pretrain.batch_size": 16,
    "schedule.warmup.batch_size": 16,
    "schedule.finetune.batch_size": 16,
}
# The files that take longest. They start first, so that no process of pytest-xdist is left alone
# with one of them at the end.
LONGEST = (
    "tests/test_smoke.py",
    "tests/engine/test_runs.py",
    "tests/test_vggsound_mini.py",
    "tests/engine/test_two_processes.py",
    "tests/test_workflow.py",
    "tests/systems/test_a_new_system.py",
    "tests/engine/test_termination.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--gpu`."""
    parser.addoption(
        "--gpu",
        action="store_true",
        help="let the tests use a GPU; without it they do not see one, because many compare bytes "
        "that a CPU computes",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Hide GPUs from this process and from all that it starts; PyTorch looks for them later."""
    if not config.getoption("--gpu"):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Move the longest files to the front; all others keep their order."""
    ranks = {config.rootpath / name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


@pytest.fixture(autouse=True)
def same_draws() -> None:
    """Seed the global generators: no test depends on what ran before it in the same process."""
    random.seed(0)
    np.random.seed(0)
    # tests of planning and reporting do without
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that all processes of pytest-xdist share; the first that needs it makes it.

    Tests only read it.
    """
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder, made = root / name, root / f"{name}.made"
    with open(root / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            # left by a process whose attempt failed
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "tiny", _render)


def _render(root: Path) -> None:
    from diccae.datasets.benchmark.spec import BenchmarkSpec
    from diccae.datasets.benchmark.writer import render_benchmark
    from diccae.datasets.clip_cache import build_cache

    manifest = render_benchmark(BenchmarkSpec(counts=COUNTS), root, jobs=2, progress=False)
    build_cache(
        manifest,
        root / "cache",
        frame_size=36,
        num_frames=16,
        n_mels=64,
        fbank_frames=64,
        max_bad_share=0.0,
        jobs=1,
        progress=False,
    )


def tiny_plan(folder: Path, data: Path, **overrides: object) -> Plan:
    """The smoke plan on the tiny data, with further dotted overrides; written to and run in
    `folder`."""
    content = yaml.safe_load((CONFIG_ROOT / "plans" / "smoke.yaml").read_text())
    content |= {"name": "tiny", "data_root": str(data), "seeds": [0, 1]}
    # an override may not suit its opponents of the method
    content["controls"] = None
    content["overrides"] |= SMALL | overrides
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(content))
    return load_plan(path)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh working directory, and mmaction as the default scope of registries, as a Runner sets
    it."""
    from mmengine.registry import init_default_scope

    monkeypatch.chdir(tmp_path)
    init_default_scope("mmaction")
    return tmp_path
