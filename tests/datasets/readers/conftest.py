"""Made-up lists, written byte by byte, and folders of files that carry only their names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """write('train.csv', 'a,b', 'c,d', end='\\r\\n', bom=True) -> its path."""

    def written(name: str, *lines: str, end: str = "\n", bom: bool = False) -> Path:
        path = tmp_path / "lists" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes((b"\xef\xbb\xbf" if bom else b"") + (end.join(lines) + end).encode())
        return path

    return written


@pytest.fixture
def hold(tmp_path: Path) -> Write:
    """hold('video/a.mp4', ...) -> the media folder with these (empty) files."""

    def held(*names: str) -> Path:
        media = tmp_path / "media"
        media.mkdir(exist_ok=True)
        for name in names:
            (media / name).parent.mkdir(parents=True, exist_ok=True)
            (media / name).touch()
        return media

    return held


@pytest.fixture
def film(tmp_path: Path) -> Write:
    """film('a.mp4', seconds) -> the media folder with this real video of one frame a second."""

    def filmed(name: str, seconds: int) -> Path:
        path = tmp_path / "media" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=1)
            stream.width = stream.height = 16
            for _ in range(seconds):
                frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return tmp_path / "media"

    return filmed
