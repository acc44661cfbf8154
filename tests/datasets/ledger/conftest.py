"""A manifest of one clip of each kind, and its ledger."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from diccae.datasets.ledger import check
from tests.datasets.media.samples import write

MOVING = {"codec": "mpeg4", "size": (48, 64)}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of one clip of each kind."""
    folder = tmp_path_factory.mktemp("clips")
    write(folder / "good.mp4", **MOVING)
    write(folder / "mute.mp4", **MOVING, sounds=())
    write(folder / "blind.mp4", videos=0)
    write(folder / "silent.mp4", **MOVING, sounds=(np.zeros((1, 32000), np.float32),))
    write(folder / "still.mp4", **MOVING, pts=[0])
    (folder / "text.mp4").write_text("<html>gone</html>")
    (folder / "empty.mp4").touch()
    rows = [
        ("good", "good.mp4", 0.0, 2.0),
        ("whole", "good.mp4", np.nan, np.nan),
        ("-part", "good.mp4", 0.5, 1.5),
        ("short", "good.mp4", 0.0, 3.0),
        ("cut", "good.mp4", 0.0, 10.0),
        ("after", "good.mp4", 30.0, 40.0),
        ("reversed", "good.mp4", 2.0, 1.0),
        ("endless", "good.mp4", 0.5, np.inf),
        ("absurd", "good.mp4", 1e300, 2e300),
        ("mute", "mute.mp4", 0.0, 2.0),
        ("blind", "blind.mp4", 0.0, 2.0),
        ("silent", "silent.mp4", 0.0, 2.0),
        ("still", "still.mp4", 0.0, 2.0),
        ("text", "text.mp4", 0.0, 2.0),
        ("empty", "empty.mp4", 0.0, 2.0),
        ("gone", "gone.mp4", 0.0, 2.0),
    ]
    return manifest_of(folder, rows)


def manifest_of(
    folder: Path, rows: list[tuple[str, str, float, float]], name: str = "manifest.parquet"
) -> Path:
    table = pd.DataFrame(rows, columns=["id", "path", "start", "end"])
    table.assign(label="other columns do no harm").to_parquet(folder / name)
    return folder / name


def rows_of(path: Path) -> dict[str, dict]:
    return {row["id"]: row for row in pq.read_table(path).to_pylist()}


@pytest.fixture(scope="module")
def made(clips: Path) -> Path:
    out = clips.parent / "ledger.parquet"
    assert check(clips, out, jobs=2, progress=False).probed == 16
    return out
