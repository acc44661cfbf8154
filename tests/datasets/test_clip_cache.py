"""The clip cache: values, bad clips, interruption, and a disk that says no."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from diccae.datasets import media, pyav_media, stored_clips, stored_files
from diccae.datasets.av_clip_dataset import AVClipDataset
from diccae.datasets.benchmark.writer import BenchmarkSpec, render_benchmark
from diccae.datasets.clip_cache import build_cache, load_cache
from diccae.datasets.clips import fbank_statistics, log_mels, training_rows
from diccae.datasets.media import decode_clip
from diccae.errors import UserError

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


def test_values_are_those_of_direct_decoding(manifest: Path) -> None:
    cache = load_cache(build(manifest))
    table = pd.read_parquet(manifest)
    assert cache.frames.shape == (10, 4, 20, 20, 3)
    assert cache.frames.dtype == np.uint8
    assert cache.fbank.shape == (10, 24, 16)
    assert cache.fbank.dtype == np.float16
    assert (cache.index["status"] == "ok").all()
    pd.testing.assert_frame_equal(cache.index[table.columns], table)
    for row, (name, start, end) in enumerate(
        table[["path", "start", "end"]].itertuples(index=False)
    ):
        clip = decode_clip(
            manifest.parent / name, start=start, end=end, num_frames=4, size=(20, 20)
        )
        assert np.array_equal(cache.frames[row], clip.frames)
        assert np.array_equal(cache.fbank[row], log_mels(clip.audio, 16, 24))
    values = np.asarray(cache.fbank, np.float64)
    assert cache.meta["fbank_mean"] == pytest.approx(values.mean())
    assert cache.meta["fbank_std"] == pytest.approx(values.std(), rel=1e-6)
    assert cache.meta["counts"] == {"ok": 10}


@pytest.mark.parametrize("seconds", [0.03, 0.5, 2.0, 10.0])
def test_log_mels_have_the_shape_asked_for(seconds: float) -> None:
    audio = np.random.default_rng(0).normal(0, 0.1, round(seconds * 16000)).astype(np.float32)
    features = log_mels(audio, 16, 24)
    assert features.shape == (24, 16)
    assert np.isfinite(features).all()


def test_log_mels_are_louder_where_the_tone_is() -> None:
    time = np.arange(32000) / 16000
    low, high = (
        log_mels(np.sin(2 * np.pi * pitch * time).astype(np.float32), 16, 24).mean(0).argmax()
        for pitch in (300, 5000)
    )
    assert low < 5 < 11 < high


def test_statistics_are_those_of_the_clips_that_training_sees() -> None:
    fbank = np.arange(4 * 6, dtype=np.float16).reshape(4, 3, 2)
    index = pd.DataFrame(
        {"split": ["train", "unlabelled", "test", "train"], "status": ["ok", "ok", "ok", "silent"]}
    )
    mean, std = fbank_statistics(fbank, training_rows(index))
    assert mean == pytest.approx(fbank[:2].mean(dtype=float))
    assert std == pytest.approx(fbank[:2].std(dtype=float))


def test_bad_clips_are_counted_by_reason_and_left_out(manifest: Path) -> None:
    clip_path(manifest, 5).write_bytes(b"not a film" * 50)
    clip_path(manifest, 9).unlink()
    folder = build(manifest, max_bad_share=0.2)
    cache = load_cache(folder)
    assert cache.meta["counts"] == {"missing": 1, "ok": 8, "unreadable": 1}
    assert cache.index["status"][5] == "unreadable"
    assert cache.index["status"][9] == "missing"
    assert str(clip_path(manifest, 9)) in cache.index["message"][9]
    dataset = AVClipDataset(str(folder), ["train"], [])
    assert dataset.rows.tolist() == [row for row in range(4, 10) if row not in (5, 9)]


def test_a_clip_without_a_file_is_reported_by_its_id_each_time(manifest: Path) -> None:
    table = pd.read_parquet(manifest)
    table.loc[3, "path"] = ""
    table.to_parquet(manifest, index=False)
    for _ in range(2):
        index = load_cache(build(manifest, max_bad_share=0.1)).index
        assert index["status"][3] == "missing"
        assert index["message"][3] == f"{table['id'][3]}: listed, but no file of it was found"


def test_too_many_bad_clips_are_an_error_and_can_be_repaired(manifest: Path) -> None:
    good = {row: clip_path(manifest, row).read_bytes() for row in (5, 9)}
    clip_path(manifest, 5).write_bytes(b"")
    clip_path(manifest, 9).unlink()
    with pytest.raises(UserError) as caught:
        build(manifest, max_bad_share=0.1)
    for words in (
        str(manifest),
        "2 of 10 clips cannot be used",
        "1 empty",
        "1 missing",
        str(clip_path(manifest, 5)),
        "cache.max_bad_share",
    ):
        assert words in str(caught.value)
    with pytest.raises(UserError, match="no finished clip cache"):
        load_cache(manifest.parent / "cache")
    for row, content in good.items():
        clip_path(manifest, row).write_bytes(content)
    assert load_cache(build(manifest)).meta["counts"] == {"ok": 10}


def test_a_manifest_without_any_usable_clip_is_an_error_for_any_share(manifest: Path) -> None:
    shutil.rmtree(manifest.parent / "clips")
    with pytest.raises(UserError, match=r"10 of 10 clips cannot be used \(10 missing\)"):
        build(manifest, max_bad_share=1.0)


def test_an_empty_manifest_is_an_error(manifest: Path) -> None:
    pd.read_parquet(manifest)[:0].to_parquet(manifest)
    with pytest.raises(UserError, match="lists no clip"):
        build(manifest)


def test_a_missing_manifest_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no manifest; run `diccae data render` first"):
        build(tmp_path / "manifest.parquet")


def test_a_clip_without_an_end_is_decoded_to_its_end(manifest: Path) -> None:
    table = pd.read_parquet(manifest)
    table.loc[3, "end"] = np.nan
    table.to_parquet(manifest, index=False)
    cache = load_cache(build(manifest))
    assert np.array_equal(
        cache.frames[3], decode_clip(clip_path(manifest, 3), num_frames=4, size=(20, 20)).frames
    )


def test_a_span_too_short_for_one_window_is_counted(manifest: Path) -> None:
    table = pd.read_parquet(manifest)
    table.loc[3, ["start", "end"]] = (1.0, 1.01)
    table.to_parquet(manifest, index=False)
    assert load_cache(build(manifest, max_bad_share=0.1)).index["status"][3] == "too_short"


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

    monkeypatch.setattr(stored_clips, "decode_clip", decode)
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
    monkeypatch.setattr(stored_clips, "decode_clip", lambda *_, **__: pytest.fail("decoded again"))
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
        UserError, match=r"was made from another .*manifest.parquet; run `diccae data cache` again"
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
    }


# the decoder


@pytest.mark.parametrize("mode", ["stored", "live"])
def test_the_decoder_is_the_one_of_the_config(
    manifest: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    seen = []

    def module(backend: str) -> ModuleType:
        seen.append(backend)
        return pyav_media

    expected = load_cache(build(manifest, mode=mode))
    with monkeypatch.context() as patched:
        patched.setattr(media, "_module", module)
        found = load_cache(build(manifest, mode=mode, decoder="torchcodec"))
        assert np.array_equal(found.frames[3], expected.frames[3])
        assert "torchcodec" in seen
    assert found.meta["settings"]["decoder"] == "torchcodec"


def test_a_decoder_that_is_unknown_or_not_installed_is_an_error(
    manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="cache.decoder: wanted pyav or torchcodec, got 'opencv'"):
        build(manifest, decoder="opencv")
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", None)
    monkeypatch.delitem(sys.modules, "diccae.datasets.torchcodec_media", raising=False)
    with pytest.raises(UserError, match="torchcodec cannot be imported .*cache.decoder to pyav"):
        build(manifest, decoder="torchcodec")
    assert not (manifest.parent / "cache").exists()
