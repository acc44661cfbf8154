"""Vectors that were made elsewhere: .npz files and folders of .npy files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from diccae import registry  # noqa: F401
from diccae.datasets.clip_cache import load_cache
from diccae.datasets.features.vectors import Vectors
from diccae.engine.runs import execute
from diccae.engine.stored_features import build_features
from diccae.errors import UserError
from diccae.feature_settings import FeatureSource
from diccae.run_graph import Run
from tests.engine.feature_plans import ADAPTER, feature_plan, share_clips

TABLE = pd.DataFrame({"id": ["x-1", "x-2", "y-1"], "path": ["m/a.wav", "m/b.wav", "n/c.wav"]})


def npz(file: Path, **arrays: Any) -> Path:
    np.savez(file, **arrays)
    return file


def source(path: Path, **settings: Any) -> FeatureSource:
    return FeatureSource(file=str(path), **settings)


def test_clips_are_found_by_id_or_by_the_name_of_their_file(tmp_path: Path) -> None:
    values = np.arange(6, dtype=np.float32).reshape(3, 2)
    path = npz(tmp_path / "v.npz", path=["audio/c.flac", "audio/a.flac", "z"], embedding=values)
    settings = {"array": "embedding", "ids": "path"}
    by_stem = Vectors("audio", source(path, match="stem", **settings))
    assert by_stem.of_clips(TABLE).tolist() == [1, -1, 0]
    assert by_stem.read(np.array([1, 0])).tolist() == [[[[2.0, 3.0]]], [[[0.0, 1.0]]]]
    by_id = Vectors("audio", source(path, **settings))
    assert by_id.of_clips(TABLE.assign(id=["z", "c", "audio/c.flac"])).tolist() == [2, -1, 0]


def test_a_folder_has_a_file_for_each_clip(tmp_path: Path) -> None:
    (tmp_path / "y").mkdir()
    np.save(tmp_path / "x-2.npy", np.ones((9, 4), np.float32))
    np.save(tmp_path / "y" / "c.npy", np.zeros((9, 4)))
    found = Vectors("audio", source(tmp_path))
    assert found.of_clips(TABLE).tolist() == [-1, 0, -1]
    assert found.of_clips(TABLE.assign(id=["y/c", "c", "x-2"])).tolist() == [1, -1, 0]
    assert found.read(np.array([0, 1])).shape == (2, 9, 1, 4)
    assert Vectors("audio", source(tmp_path, match="stem")).of_clips(TABLE).tolist() == [-1, -1, 1]


def test_names_with_dots_in_a_folder(tmp_path: Path) -> None:
    for number in range(3):
        np.save(tmp_path / f"tape.{number}.npy", np.full(4, number))
    dots = TABLE.assign(path=[f"m/tape.{number}.wav" for number in (2, 0, 3)])
    assert Vectors("audio", source(tmp_path, match="stem")).of_clips(dots).tolist() == [2, 0, -1]
    by_id = TABLE.assign(id=["tape.1", "tape", "tape.0"])
    assert Vectors("audio", source(tmp_path)).of_clips(by_id).tolist() == [1, -1, 0]


@pytest.mark.parametrize(
    ("arrays", "settings", "words"),
    [
        ({"id": ["a"], "x": np.ones((1, 2))}, {}, "no array 'features'; set features.audio.array"),
        ({"id": ["a"], "features": np.ones((2, 2))}, {}, "id has 1 names and features 2 vectors"),
        ({"id": "a", "features": np.ones((1, 2))}, {}, r"wanted id of shape \(N,\) and N vectors"),
        ({"id": ["m/a", "n/a"], "features": np.ones((2, 2))}, {"match": "stem"}, "1 names stand"),
        ({"id": ["x-1"], "features": np.array([[np.nan]])}, {}, "not finite in float16"),
        ({"id": ["x-1"], "features": np.array([[7e4]])}, {}, "the largest is 65504"),
        ({"id": ["x-1"], "features": np.ones((1, 1, 1, 1, 2))}, {}, "wanted numbers of shape"),
        ({"id": ["x-1"], "features": np.array([["a"]])}, {}, "wanted numbers of shape"),
    ],
)
def test_wrong_vectors(
    tmp_path: Path, arrays: dict[str, Any], settings: dict[str, Any], words: str
) -> None:
    path = npz(tmp_path / "v.npz", **arrays)
    with pytest.raises(UserError, match=words):
        Vectors("audio", source(path, **settings)).read(np.array([0]))


def test_damaged_files_and_shapes_that_differ(tmp_path: Path) -> None:
    path = tmp_path / "v.npz"
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(UserError, match=r"v.npz is damaged"):
        Vectors("audio", source(path))
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(UserError, match="the folder has no .npy file"):
        Vectors("audio", source(folder))
    np.save(folder / "a.npy", np.ones(3))
    with pytest.raises(UserError, match=r"a\.npy: wanted a \.npz file .* got a single array"):
        Vectors("audio", source(folder / "a.npy"))
    np.save(folder / "b.npy", np.ones(4))
    with pytest.raises(UserError, match=r"different shapes, \(1, 1, 3\) and \(1, 1, 4\)"):
        Vectors("audio", source(folder)).read(np.array([0, 1]))


def test_a_plan_of_sound_alone_trains_on_vectors_without_a_cache(
    workspace: Path, tiny_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = share_clips(tiny_data, workspace / "data")
    (data / "cache").unlink()
    table = pd.read_parquet(data / "manifest.parquet")
    rng = np.random.default_rng(0)
    windows = rng.normal(size=(len(table), 3, 16)) + np.eye(16)[table["label"]][:, None] * 4
    path = npz(workspace / "v.npz", clip=table["id"][1:].to_numpy(str), embedding=windows[1:])
    audio = {"file": str(path), "array": "embedding", "ids": "clip"}
    adapter = ADAPTER | {"kind": "transformer", "in_features": 16, "tokens": 3, "width": 32}
    overrides = {
        "audio_encoder": adapter,
        "cache.max_bad_share": 0.1,
        "schedule.finetune.epochs": 12,
    }
    features = {"name": "windows", "audio": audio}
    plan = feature_plan(workspace, data, features, **overrides)
    build_features(plan, progress=False)
    assert "1 of 312 clips cannot be used: 1 no_features" in capsys.readouterr().out
    cache = load_cache(data / "features" / "windows")
    assert cache.meta["settings"] == {"modality": "A"}
    index = cache.index
    assert index["status"].tolist() == ["no_features"] + 311 * ["ok"]
    run = Run(plan, "finetune", "from_scratch", 0, "A")
    execute(run)
    scores = pd.read_parquet(run.folder / "predictions.parquet")
    assert (scores["top1"] == scores["label"]).mean() > 0.5
    with pytest.raises(UserError, match="no features of video; add features.video to the plan"):
        load_cache(data / "features" / "windows", ["frames"])
