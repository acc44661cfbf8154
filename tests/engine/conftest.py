"""Stored features of rendered clips, computed once for all tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import made_once
from tests.engine.feature_plans import feature_plan, share_clips, sources, write_weights


@pytest.fixture(scope="session")
def built(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with weights, the clips in `data`, and their features."""

    from diccae import registry  # noqa: F401
    from diccae.engine.stored_features import build_features

    def make(folder: Path) -> None:
        write_weights(folder)
        data = share_clips(tiny_data, folder / "data")
        build_features(feature_plan(folder, data, sources(folder)), progress=False)

    return made_once(tmp_path_factory, "features", make)


@pytest.fixture
def copy(built: Path, workspace: Path) -> Path:
    """A copy of the features that a test may change, with the same weights."""
    shutil.copytree(built / "data", workspace / "data", symlinks=True)
    return workspace
