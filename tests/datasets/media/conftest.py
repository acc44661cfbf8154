"""A clip without any peculiarity."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.datasets.media.bar_and_tone import write


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("media") / "plain.mp4", seconds=3.0)
