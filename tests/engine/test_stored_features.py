"""Features of rendered clips by tiny released encoders, and runs on them."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from diccae import registry  # noqa: F401
from diccae.clips_folder import clips_folder
from diccae.clips_hash import clips_hash
from diccae.datasets.clip_cache import load_cache
from diccae.datasets.features import parts
from diccae.datasets.features.checks import feature_damage, require_suited
from diccae.doctor.features import stored_features as stored_features_check
from diccae.engine import feature_batches, stored_features
from diccae.engine.runs import execute
from diccae.engine.stored_features import build_features
from diccae.errors import UserError
from diccae.plans import Plan
from diccae.run_graph import Run, with_parents
from diccae.seals.data import check_data
from tests.engine.feature_plans import plan_on


def test_all_stages_train_on_features(copy: Path, built: Path) -> None:
    plan = plan_on(copy, built)
    require_suited(plan)
    for variant, modality in (("full", "AV"), ("no_confusion_loss", "A")):
        scored = Run(plan, "finetune", variant, 0, modality)
        for run in with_parents([scored]):
            execute(run)
        record = json.loads((scored.folder / "record.json").read_text())
        assert record["data_hash"] == clips_hash(plan)
        assert record["settings"]["features"]["name"] == "tiny"
        table = pd.read_parquet(scored.folder / "predictions.parquet")
        counts = table[["split", "view"]].value_counts().to_dict()
        assert counts["test", "multi"] == counts["test", "single"] == 48
    # what no run and no reader of results needs any more
    (copy / "data" / "cache").unlink()
    assert check_data(plan, False, lambda path: False) == []
    assert stored_features_check(plan).message == f"{clips_folder(plan)} is complete: 312 ok"
    first = np.load(Run(plan, "pretrain", "full", 0).folder / "assignments.npz")
    assert set(first["assign_0"]) == set(range(6))


def test_features_are_those_of_the_encoder_whatever_the_parts(built: Path, copy: Path) -> None:
    cache = load_cache(built / "data" / "features" / "tiny", ["fbank", "frames"])
    assert cache.fbank[0].shape == (1, 1, 64)
    assert cache.frames[0].shape == (2, 1, 64)
    every = np.stack([cache.fbank[row] for row in range(len(cache.index))]).astype(np.float64)
    training = cache.index["split"].isin(["train", "unlabelled"]).to_numpy()
    stated = cache.meta["features"]["audio"]
    values = every[training].reshape(-1, 64)
    assert np.allclose(stated["mean"], values.mean(0))
    assert np.allclose(stated["std"], values.std(0))


def _killed(plan: Plan) -> None:
    """Compute the first of two shares, and die after three parts."""
    write, count = parts.write_part, [0]

    def dying(*arguments: Any) -> Any:
        count[0] += 1
        if count[0] == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        return write(*arguments)

    stored_features.write_part = dying
    build_features(plan, (1, 2), progress=False)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a forked process cannot use CUDA")
def test_a_killed_share_is_continued_and_the_set_is_the_same(
    built: Path, copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = plan_on(copy, built)
    folder = copy / "data" / "features" / "tiny"
    whole = {name: (folder / name).read_bytes() for name in ("meta.json", "index.parquet")}
    shutil.rmtree(folder)
    monkeypatch.setattr(parts, "CLIPS", 32)
    process = multiprocessing.get_context("fork").Process(target=_killed, args=(plan,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    done = sum(len(json.loads(path.read_text())["keys"]) for path in folder.rglob("*.json"))
    assert done == 3 * 32
    kept = {path: path.stat().st_mtime_ns for path in folder.rglob("*.npy")}
    assert build_features(plan, (2, 2), progress=False) is None
    assert not (folder / "meta.json").exists()
    capsys.readouterr()
    build_features(plan, progress=False)
    left = capsys.readouterr().out
    assert "to compute" in left
    assert "audio of 312 clips" not in left
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    assert {name: (folder / name).read_bytes() for name in whole} == whole


def test_an_error_loses_nothing_that_was_computed(
    built: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_on(copy, built)
    folder = copy / "data" / "features" / "tiny"
    whole = (folder / "meta.json").read_bytes()
    shutil.rmtree(folder)
    make = stored_features.from_clips

    def broken(*arguments: Any) -> Any:
        def batches(rows: np.ndarray) -> Any:
            yield from make(*arguments)(rows[:64])
            raise UserError("clip 65 is damaged")

        return batches

    monkeypatch.setattr(stored_features, "from_clips", broken)
    with pytest.raises(UserError, match="clip 65 is damaged"):
        build_features(plan, progress=False)
    (path,) = folder.rglob("*.json")
    assert len(json.loads(path.read_text())["keys"]) == 64
    monkeypatch.setattr(stored_features, "from_clips", make)
    build_features(plan, progress=False)
    assert (folder / "meta.json").read_bytes() == whole
    assert path.is_file()


def test_a_part_that_cannot_be_written_gives_no_clip_the_features_of_another(
    built: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_on(copy, built)
    folder = copy / "data" / "features" / "tiny"
    shutil.rmtree(folder)
    # so that clips of a batch are left over when a part is full
    monkeypatch.setattr(parts, "CLIPS", 40)
    write = parts.write_part

    def full(place: Path, features: np.ndarray, *arguments: Any) -> Any:
        if len(features) == 40:
            raise UserError("the disk is full")
        return write(place, features, *arguments)

    monkeypatch.setattr(stored_features, "write_part", full)
    with pytest.raises(UserError, match="the disk is full"):
        build_features(plan, progress=False)
    assert not list(folder.rglob("*.json"))


def test_a_new_order_of_classes_costs_nothing(
    built: Path, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = plan_on(copy, built)
    before = clips_hash(plan)
    table = pd.read_parquet(plan.manifest)
    table["label"] = table["label"].where(table["label"] < 0, 11 - table["label"])
    table.to_parquet(plan.manifest, index=False)
    with pytest.raises(UserError, match="listed for another .*manifest.parquet"):
        require_suited(plan)
    # without the cache, which was made from the old manifest too
    cache = SimpleNamespace(index=load_cache(built / "data" / "cache").index.copy())
    cache.index["label"] = table["label"].to_numpy()
    cache.frames = cache.fbank = None
    stored_features.load_cache, real = lambda *_: cache, stored_features.load_cache
    try:
        build_features(plan, progress=False)
    finally:
        stored_features.load_cache = real
    assert "audio of 0 clips, video of 0 clips to compute" in capsys.readouterr().out
    require_suited(plan)
    assert clips_hash(plan) != before


def test_damage_is_found_and_repaired(built: Path, copy: Path) -> None:
    plan = plan_on(copy, built)
    folder = copy / "data" / "features" / "tiny"
    meta = (folder / "meta.json").read_bytes()
    assert feature_damage(plan) == []
    (path,) = (folder / "audio").glob("*.npy")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    for write, words in (
        (lambda: path.write_bytes(content), "is not the file that was written"),
        (lambda: path.write_bytes(content[:1000]), "is damaged"),
        (path.unlink, "is missing"),
        (path.with_suffix(".json").unlink, "the features of 312 of 312 clips are gone"),
    ):
        write()
        (folder / "meta.json").touch()
        with pytest.raises(UserError, match=f"{words}.*diccae data features"):
            load_cache(folder, ["fbank"])
        assert words in feature_damage(plan)[0][1]
        build_features(plan, progress=False)
        assert (folder / "meta.json").read_bytes() == meta
    assert feature_damage(plan) == []


def test_shared_memory_limits_the_processes_that_decode(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # two batches of 32 clips a process
    free = SimpleNamespace(free=3 * 64 * 1000)
    monkeypatch.setattr(feature_batches.shutil, "disk_usage", lambda path: free)
    assert feature_batches.loader_workers(2, 1000) == 2
    assert capsys.readouterr().out == ""
    assert feature_batches.loader_workers(8, 1000) == 3
    assert "room for 3 of 8 processes" in capsys.readouterr().out
