"""A tiny benchmark of real clips, rendered and cached once for all tests that train."""

from __future__ import annotations

import os
from pathlib import Path

# mmengine's formatter writes a cache on its first import, and not in one piece: the process that
# starts the others does it before them
import mmengine.config  # noqa: F401
import pytest
import yaml

from diccae.plans import CONFIG_ROOT, Plan, load_plan

COUNTS = {"unlabelled": 144, "train": 48, "update": 48, "validation": 24, "test": 48}
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from diccae.datasets.benchmark.writer import BenchmarkSpec, render_benchmark
    from diccae.datasets.clip_cache import build_cache

    root = tmp_path_factory.mktemp("tiny")
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
    return root


def tiny_plan(folder: Path, data: Path, **overrides: object) -> Plan:
    """The smoke plan on the tiny data, with further dotted overrides; written to and run in
    `folder`."""
    content = yaml.safe_load((CONFIG_ROOT / "plans" / "smoke.yaml").read_text())
    content |= {"name": "tiny", "data_root": str(data)}
    content["overrides"] |= {
        "data.train_per_class": 4,
        "data.update_per_class": 3,
        "data.update_unlabelled": 48,
        "method.kmeans_k": 6,
        "schedule.pretrain.batch_size": 16,
        "schedule.warmup.batch_size": 16,
        "schedule.finetune.batch_size": 16,
        **overrides,
    }
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
