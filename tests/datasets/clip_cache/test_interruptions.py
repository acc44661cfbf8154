"""A clip cache that was interrupted, damaged or changed, and a disk that says no."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from diccae.datasets import stored_clips, stored_files, stored_workers
from diccae.datasets.alone import alone
from diccae.datasets.clip_cache import load_cache
from diccae.datasets.media import decode_clip
from diccae.errors import UserError
from tests.datasets.clip_cache.conftest import SETTINGS, build


def test_an_interrupted_cache_is_continued_to_the_same_bytes(
    manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = build(manifest)
    whole = {
        name: (folder / name).read_bytes()
        for name in ("frames.npy", "fbank.npy", "index.parquet", "meta.json")
    }
    shutil.rmtree(folder)
    decoded: list[str] = []

    def decode(path: str, **settings: object) -> object:
        decoded.append(path)
        if len(decoded) == 10:
            raise KeyboardInterrupt
        return decode_clip(path, **settings)

    monkeypatch.setattr(stored_workers, "decode_clip", decode)
    monkeypatch.setattr(stored_clips, "CHUNK", 3)
    with pytest.raises(KeyboardInterrupt):
        build(manifest)
    with pytest.raises(UserError, match="no finished clip cache"):
        load_cache(folder)
    assert Path(folder, "progress.json").is_file()
    build(manifest)
    # three chunks of three were finished; the clip of the interruption is decoded twice
    assert len(decoded) == 10 + 1
    assert len(set(decoded)) == 10
    assert {name: (folder / name).read_bytes() for name in whole} == whole


def test_nothing_is_decoded_twice(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(manifest)
    monkeypatch.setattr(
        stored_workers, "decode_clip", lambda *_, **__: pytest.fail("decoded again")
    )
    build(manifest)


def test_one_process_at_a_time(manifest: Path) -> None:
    folder = build(manifest)
    words = "another `diccae data cache` works there; wait until it has ended"
    with alone(folder, "diccae data cache"), pytest.raises(UserError, match=words):
        build(manifest)
    build(manifest)


@pytest.mark.parametrize("damage", ["frames.npy missing", "frames.npy cut", "other settings"])
def test_a_damaged_or_other_cache_is_made_anew(manifest: Path, damage: str) -> None:
    folder = build(manifest)
    frames = folder / "frames.npy"
    whole = frames.read_bytes()
    if damage == "frames.npy missing":
        frames.unlink()
    elif damage == "frames.npy cut":
        frames.write_bytes(whole[:5000])
    else:
        build(manifest, num_frames=2)
        assert load_cache(folder).frames.shape[1] == 2
    build(manifest)
    assert frames.read_bytes() == whole


def test_a_process_that_reads_an_older_cache_keeps_it(manifest: Path) -> None:
    cache = load_cache(build(manifest))
    before = cache.frames.copy()
    build(manifest, frame_size=12)
    assert np.array_equal(cache.frames, before)


def test_a_changed_manifest_is_noticed(manifest: Path) -> None:
    folder = build(manifest)
    load_cache(folder)
    table = pd.read_parquet(manifest)
    table.loc[4, "label"] = 7
    table.to_parquet(manifest, index=False)
    with pytest.raises(
        UserError,
        match=r"was made from another .*manifest.parquet; run `diccae data cache --plan",
    ):
        load_cache(folder)
    assert load_cache(build(manifest)).index["label"][4] == 7


@pytest.mark.parametrize("name", ["meta.json", "index.parquet", "frames.npy", "fbank.npy"])
def test_a_cache_with_a_part_missing(manifest: Path, name: str) -> None:
    folder = build(manifest)
    (folder / name).unlink()
    with pytest.raises(UserError, match=f"{name} is missing.*diccae data cache"):
        load_cache(folder)


# a disk that says no


def test_a_disk_that_is_too_small_is_an_error_before_decoding(
    manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(
        UserError, match=r"the cache needs .* GB, 0.0 GB are free.*cache.frame_size"
    ):
        build(manifest)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system has no posix_fallocate")
def test_a_disk_that_becomes_full_is_a_user_error(
    manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", refuse)
        with pytest.raises(UserError, match="cache: the disk is full; free some space"):
            build(manifest)
    assert not (manifest.parent / "cache" / "frames.npy").exists()
    assert load_cache(build(manifest)).meta["counts"] == {"ok": 10}


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system has no posix_fallocate")
def test_arrays_have_their_place_on_the_disk_before_they_are_filled(tmp_path: Path) -> None:
    stored_files.create_array(tmp_path / "zeros.npy", (100, 1000), np.uint8)
    assert (tmp_path / "zeros.npy").stat().st_blocks * 512 >= 100_000
    assert not np.load(tmp_path / "zeros.npy").any()


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_folder_that_cannot_be_written(
    manifest: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(
        UserError, match="cache: (the folder is read-only|no permission to write there)"
    ):
        build(manifest)


def test_progress_names_the_settings(manifest: Path) -> None:
    assert json.loads((build(manifest) / "progress.json").read_text())["settings"] == {
        **SETTINGS,
        "decoder": "pyav",
        "modality": "AV",
    }
