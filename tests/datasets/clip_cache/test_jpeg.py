"""A stored cache that keeps frames as JPEG: values, size, reading, interruptions and damage."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from diccae.datasets import packed_frames, stored_clips, stored_workers
from diccae.datasets.av_clip_dataset import AVClipDataset
from diccae.datasets.clip_cache import build_cache, load_cache
from diccae.datasets.clip_frames import ClipFrames
from diccae.datasets.integrity import data_problems
from diccae.datasets.media import decode_clip
from diccae.datasets.packed_frames import SIZE, START, unpack
from diccae.datasets.transforms import LoadCachedClip, PackAVInputs, RandomCropFlip, RandomFrames  # noqa: F401
from diccae.errors import UserError
from tests.datasets.clip_cache.conftest import SETTINGS, build, clip_path
from tests.datasets.clip_cache.test_integrity import plan_of, without_digests

ARRAYS = ("frames", "fbank")


def jpeg(manifest: Path, **others: Any) -> Path:
    return build(manifest, format="jpeg", **others)


def contents(folder: Path) -> dict[str, bytes]:
    names = ("frames.npy", "fbank.npy", "index.parquet", "meta.json")
    return {name: (folder / name).read_bytes() for name in names}


def problems(manifest: Path, **settings: Any) -> list[str]:
    found = data_problems(plan_of(manifest), settings={**SETTINGS, "format": "jpeg", **settings})
    return [problem.message for problem in found]


def test_frames_are_those_of_a_raw_cache_but_for_the_error_of_jpeg(manifest: Path) -> None:
    raw = load_cache(build(manifest))
    frames, fbank = np.array(raw.frames), np.array(raw.fbank)
    cache = load_cache(jpeg(manifest), ARRAYS)
    assert np.array_equal(cache.fbank, fbank)
    for row in range(10):
        clip = cache.frames[row]
        assert isinstance(clip, ClipFrames)
        images = np.asarray(clip)
        assert images.dtype == np.uint8
        assert images.shape == frames[row].shape
        # clips of 20 pixels have sharp edges; the file page states what it is at 224
        assert np.abs(images.astype(int) - frames[row]).mean() < 6
        for taken in (slice(2, 3), slice(0, 4, 2), [[1], [3]], np.array([0, 3, 3])):
            assert np.array_equal(clip[taken], images[taken])
    assert cache.meta["settings"] == {**raw.meta["settings"], "format": "jpeg"}
    sizes = cache.index[SIZE].to_numpy()
    assert np.array_equal(cache.index[START], np.cumsum(sizes) - sizes)
    assert cache.meta["bytes"] == fbank.nbytes + sizes.sum()
    for key in ("fbank_mean", "fbank_std", "counts", "manifest_sha256"):
        assert cache.meta[key] == raw.meta[key]


@pytest.mark.parametrize("modalities", [("video",), ("audio", "video")])
def test_only_the_drawn_frame_is_decoded(
    manifest: Path, monkeypatch: pytest.MonkeyPatch, modalities: tuple[str, ...]
) -> None:
    raw = build(manifest)
    shutil.move(raw, manifest.parent / "raw")
    taken: list[int] = []

    def noting(record: np.ndarray, count: int, numbers: list[int]) -> np.ndarray:
        taken.append(len(numbers))
        return unpack(record, count, numbers)

    monkeypatch.setattr(packed_frames, "unpack", noting)
    pipeline = [
        {"type": "LoadCachedClip"},
        {"type": "RandomFrames", "num_frames": 1},
        {"type": "RandomCropFlip", "size": 16},
        {"type": "PackAVInputs"},
    ]
    ours, theirs = (
        AVClipDataset(str(folder), ["train"], pipeline, seed=3, modalities=modalities)
        for folder in (jpeg(manifest), manifest.parent / "raw")
    )
    for index in range(len(ours)):
        packed, plain = ours[index]["inputs"], theirs[index]["inputs"]
        # the same frame, crop and side
        assert (packed["video"].float() - plain["video"].float()).abs().mean() < 8
        if "audio" in modalities:
            assert torch.equal(packed["audio"], plain["audio"])
    assert taken == [1] * len(ours)


@pytest.mark.parametrize("modality", ["A", "V"])
def test_with_one_modality(manifest: Path, modality: Any) -> None:
    cache = load_cache(jpeg(manifest, modality=modality))
    assert ("format" in cache.meta["settings"]) == (modality == "V")
    if modality == "A":
        assert cache.frames is None
        assert (cache.index["status"] == "ok").all()
        assert START not in cache.index
    else:
        assert np.asarray(cache.frames[9]).shape == (4, 20, 20, 3)
        assert cache.fbank is None


def test_with_several_processes_the_bytes_are_the_same(
    manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = contents(jpeg(manifest))
    shutil.rmtree(manifest.parent / "cache")
    monkeypatch.setattr(stored_clips, "CHUNK", 2)
    folder = manifest.parent / "cache"
    settings: dict[str, Any] = {**SETTINGS, "max_bad_share": 0.0, "format": "jpeg"}
    build_cache(manifest, folder, **settings, jobs=2, progress=False)
    assert contents(folder) == whole


@pytest.mark.parametrize("stop", [1, 4, 10])
def test_an_interrupted_cache_is_continued_to_the_same_bytes(
    manifest: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    folder = jpeg(manifest)
    whole = contents(folder)
    shutil.rmtree(folder)
    decoded: list[str] = []

    def decode(path: str, **settings: object) -> object:
        decoded.append(path)
        if len(decoded) == stop:
            raise KeyboardInterrupt
        return decode_clip(path, **settings)

    monkeypatch.setattr(stored_workers, "decode_clip", decode)
    monkeypatch.setattr(stored_clips, "CHUNK", 3)
    with pytest.raises(KeyboardInterrupt):
        jpeg(manifest)
    with pytest.raises(UserError, match="no finished clip cache"):
        load_cache(folder)
    # what was written and not noted before a crash
    with open(folder / "frames.npy", "ab") as file:
        file.write(b"remains")
    jpeg(manifest)
    # finished chunks are not decoded again
    assert len(decoded) == 10 + (stop - 1) % 3 + 1
    assert contents(folder) == whole


def test_a_replaced_clip_is_decoded_again_alone_to_the_bytes_of_a_new_cache(
    manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_digests(manifest)
    folder = jpeg(manifest)
    shutil.copy(clip_path(manifest, 2), clip_path(manifest, 6))
    with pytest.raises(UserError, match="1 clips were replaced by other files .*data cache"):
        load_cache(folder)
    decoded = []

    def decode(path: str, **settings: object) -> object:
        decoded.append(path)
        return decode_clip(path, **settings)

    with monkeypatch.context() as patched:
        patched.setattr(stored_workers, "decode_clip", decode)
        jpeg(manifest)
    assert decoded == [str(clip_path(manifest, 6))]
    again = contents(folder)
    cache = load_cache(folder, ARRAYS)
    assert np.array_equal(cache.frames[6], cache.frames[2])
    assert problems(manifest) == []
    shutil.rmtree(folder)
    assert contents(jpeg(manifest)) == again


def test_nothing_is_decoded_twice(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = contents(jpeg(manifest))
    monkeypatch.setattr(
        stored_workers, "decode_clip", lambda *_, **__: pytest.fail("decoded again")
    )
    assert contents(jpeg(manifest)) == whole


def test_a_damaged_clip_is_named_and_repaired_to_the_same_bytes(manifest: Path) -> None:
    folder = jpeg(manifest)
    whole = contents(folder)
    index = load_cache(folder).index
    for row in (3, 7):
        data = np.load(folder / "frames.npy", mmap_mode="r+")
        start = int(index[START][row])
        data[start : start + 8] = 255
        data.flush()
    for text in (
        str(pytest.raises(UserError, load_cache, folder, ARRAYS).value),
        *problems(manifest),
    ):
        assert "2 of 10 clips are" in text
        assert "unlabelled-000003 first" in text
    # without a check of all clips, reading the damaged one is an error
    cache = load_cache(folder)
    with pytest.raises(UserError, match=r"frames.npy: row 3 is damaged .*run `diccae data cache"):
        np.asarray(cache.frames[3])
    assert np.asarray(cache.frames[4]).shape == (4, 20, 20, 3)
    jpeg(manifest)
    assert problems(manifest) == []
    assert contents(folder) == whole


@pytest.mark.parametrize("damage", ["missing", "cut", "raw"])
def test_a_file_that_is_not_the_frames_is_made_anew(manifest: Path, damage: str) -> None:
    folder = jpeg(manifest)
    whole = contents(folder)
    frames = folder / "frames.npy"
    if damage == "missing":
        frames.unlink()
    elif damage == "cut":
        frames.write_bytes(frames.read_bytes()[:2000])
    else:
        np.save(frames, np.zeros((10, 4, 20, 20, 3), np.uint8))
    jpeg(manifest)
    assert contents(folder) == whole


def test_another_format_is_made_anew_and_noticed(manifest: Path) -> None:
    folder = build(manifest)
    raw = contents(folder)
    assert problems(manifest, format="raw") == []
    assert problems(manifest) == ["was made with cache.format = raw, the plan says jpeg"]
    packed = contents(jpeg(manifest))
    assert len(packed["frames.npy"]) < len(raw["frames.npy"])
    assert problems(manifest) == []
    settings = {"format": "raw"}
    assert problems(manifest, **settings) == [
        "was made with cache.format = jpeg, the plan says raw"
    ]
    assert contents(build(manifest)) == raw


def test_bad_clips_have_no_record_and_are_repaired_in_their_place(manifest: Path) -> None:
    without_digests(manifest)
    folder = jpeg(manifest)
    whole = contents(folder)["frames.npy"]
    good = clip_path(manifest, 5).read_bytes()
    clip_path(manifest, 5).write_bytes(b"no film")
    cache = load_cache(jpeg(manifest, max_bad_share=0.2), ARRAYS)
    assert cache.index[SIZE][5] == 0
    assert cache.meta["counts"] == {"ok": 9, "unreadable": 1}
    assert len((folder / "frames.npy").read_bytes()) < len(whole)
    clip_path(manifest, 5).write_bytes(good)
    assert contents(jpeg(manifest))["frames.npy"] == whole


def test_a_disk_that_is_too_small(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(UserError, match=r"needs about .* free some space, or set cache.frame_size"):
        jpeg(manifest)
    with pytest.raises(UserError, match=r"needs 0.* or set cache.format: jpeg, or set cache.frame"):
        build(manifest)


def test_the_format_of_a_raw_cache_is_not_stated(manifest: Path) -> None:
    """So its digests, and the hash of the data, are those of earlier versions."""
    meta = load_cache(build(manifest, format="raw")).meta
    assert meta["settings"] == {**SETTINGS, "decoder": "pyav", "modality": "AV"}
    live = load_cache(build(manifest, mode="live")).meta
    assert "format" not in live["settings"]
    assert not {START, SIZE} & set(pd.read_parquet(manifest.parent / "cache" / "index.parquet"))
