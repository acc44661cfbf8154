"""Files of a cache or of a rendering that a crash cut off."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from diccae.datasets.benchmark.spec import BenchmarkSpec
from diccae.datasets.benchmark.writer import render_benchmark
from diccae.datasets.clip_cache import load_cache
from diccae.errors import UserError


@pytest.mark.parametrize("name", ["meta.json", "index.parquet", "fbank.npy"])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_damaged_cache_names_the_file_and_the_way_out(
    tmp_path: Path, tiny_data: Path, name: str, share: float
) -> None:
    folder = tmp_path / "cache"
    shutil.copytree(tiny_data / "cache", folder)
    path = folder / name
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    words = r"is (empty|damaged .*|not the file that was written.*); run `diccae data cache --plan"
    with pytest.raises(UserError, match=f"{path}:? (it )?{words}"):
        load_cache(folder)


@pytest.mark.parametrize("name", ["spec.json", "test.json"])
def test_a_rendering_goes_on_without_a_damaged_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    spec = BenchmarkSpec(counts={"test": 2, "train": 1})

    def render() -> pd.DataFrame:
        return pd.read_parquet(render_benchmark(spec, tmp_path, jobs=1, progress=False))

    whole = render()
    path = tmp_path / "clips" / name
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    pd.testing.assert_frame_equal(render(), whole)
    assert f"{path} is damaged (" in (words := capsys.readouterr().out)
    assert "rendered again" in words
    assert path.read_bytes() == content
