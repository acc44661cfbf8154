"""Ten clips of the benchmark, and a small cache of them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from diccae.datasets.benchmark.spec import BenchmarkSpec
from diccae.datasets.benchmark.writer import render_benchmark
from diccae.datasets.clip_cache import build_cache

SETTINGS = {"frame_size": 20, "num_frames": 4, "n_mels": 16, "fbank_frames": 24}
COUNTS = {"unlabelled": 4, "train": 6}


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_benchmark(
        BenchmarkSpec(COUNTS, seed=5), tmp_path_factory.mktemp("benchmark"), jobs=1, progress=False
    )


@pytest.fixture
def manifest(benchmark: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(benchmark.parent, tmp_path / "data")) / "manifest.parquet"


def build(manifest: Path, max_bad_share: float = 0.0, **others: Any) -> Path:
    """A cache beside the manifest."""
    return build_cache(
        manifest,
        manifest.parent / "cache",
        **{**SETTINGS, **others},
        max_bad_share=max_bad_share,
        jobs=1,
        progress=False,
    ).parent


def clip_path(manifest: Path, row: int) -> Path:
    return manifest.parent / pd.read_parquet(manifest)["path"][row]
