"""Clips decoded in training: equal to the stored cache, unusable clips, real worker processes."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader

from diccae.datasets import live_clips
from diccae.datasets.av_clip_dataset import AVClipDataset
from diccae.datasets.benchmark.spec import BenchmarkSpec
from diccae.datasets.benchmark.writer import render_benchmark
from diccae.datasets.clip_cache import load_cache
from diccae.datasets.transforms import (  # noqa: F401
    CentreCrop,
    FrameViews,
    LoadCachedClip,
    PackAVInputs,
    RandomCropFlip,
    RandomFrames,
)
from diccae.errors import UserError
from tests.datasets.clip_cache.conftest import build as build_clips
from tests.datasets.clip_cache.conftest import clip_path

TRAINING = [
    {"type": "LoadCachedClip"},
    {"type": "RandomFrames", "num_frames": 1},
    {"type": "RandomCropFlip", "size": 16},
    {"type": "PackAVInputs"},
]


def scored(num_frames: int, views: int) -> list[dict[str, Any]]:
    return [
        {"type": "LoadCachedClip"},
        {"type": "FrameViews", "num_frames": num_frames, "views": views},
        {"type": "CentreCrop", "size": 16},
        {"type": "PackAVInputs"},
    ]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten clips and two spans of the first one's file, the last of unknown length."""
    root = tmp_path_factory.mktemp("rendered")
    spec = BenchmarkSpec({"unlabelled": 4, "train": 4, "test": 2}, seed=5)
    manifest = render_benchmark(spec, root, jobs=1, progress=False)
    table = pd.read_parquet(manifest)
    spans = table.iloc[[0, 0]].assign(id=["span", "rest"], start=[0.5, 1.0], end=[1.25, np.nan])
    pd.concat([table, spans], ignore_index=True).to_parquet(manifest, index=False)
    return root


@pytest.fixture
def manifest(rendered: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(rendered, tmp_path / "data")) / "manifest.parquet"


def build(manifest: Path, mode: str = "live", **others: Any) -> Path:
    return build_clips(manifest, mode=mode, **others)


def test_values_are_those_of_the_stored_cache(manifest: Path) -> None:
    stored = load_cache(build(manifest, "stored"))
    shutil.move(manifest.parent / "cache", manifest.parent / "stored")
    live = load_cache(build(manifest))
    assert not list((manifest.parent / "cache").glob("*.npy"))
    # the ledger also has a word on clips that it lets pass
    columns = [name for name in live.index if name != "message"]
    pd.testing.assert_frame_equal(live.index[columns], stored.index[columns])
    for row in range(12):
        frames, fbank = np.asarray(live.frames[row]), live.fbank[row]
        assert np.array_equal(frames, stored.frames[row])
        assert frames.dtype == np.uint8
        assert np.array_equal(fbank, stored.fbank[row])
        assert fbank.dtype == np.float16
    assert live.meta["mode"] == "live"
    for key in ("settings", "manifest_sha256", "clips", "counts", "fbank_mean", "fbank_std"):
        assert live.meta[key] == stored.meta[key]
    # the ten clips of unlabelled and train, and the spans of one of them
    assert live.meta["statistics_clips"] == 10


@pytest.mark.parametrize(
    ("pipeline", "alone"),
    [
        (TRAINING, True),
        ([*TRAINING[:1], {"type": "RandomFrames", "num_frames": 2}, *TRAINING[2:]], False),
        # features, and the update set
        (scored(1, 1), True),
        (scored(2, 1), False),
        (scored(1, 4), False),
        (scored(2, 9), False),
    ],
)
def test_samples_are_those_of_the_stored_cache(
    manifest: Path, monkeypatch: pytest.MonkeyPatch, pipeline: list[dict[str, Any]], alone: bool
) -> None:
    asked: list[int | None] = []
    decode = live_clips.decode_frames

    def noting(path: Path, **settings: Any) -> Any:
        asked.append(settings["only"])
        return decode(path, **settings)

    monkeypatch.setattr(live_clips, "decode_frames", noting)
    folders = {}
    for mode in ("stored", "live"):
        folders[mode] = str(manifest.parent / mode)
        shutil.move(build(manifest, mode), folders[mode])
    stored, live = (
        AVClipDataset(folders[mode], ["unlabelled", "train", "test"], pipeline, seed=3)
        for mode in ("stored", "live")
    )
    for epoch in range(3):
        stored.set_epoch(epoch)
        live.set_epoch(epoch)
        for index in range(12):
            ours, theirs = live[index], stored[index]
            for name in ("audio", "video"):
                assert torch.equal(ours["inputs"][name], theirs["inputs"][name])
    # each clip is decoded once
    assert len(asked) == 36
    assert all((number is not None) == alone for number in asked)
    if pipeline is TRAINING:
        assert set(asked) == {0, 1, 2, 3}


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What is decoded from now on: picture or sound, and the path."""
    seen = []
    for part in ("decode_frames", "decode_sound"):
        original = getattr(live_clips, part)

        def noting(path: Path, part: str = part, original: Any = original, **span: Any) -> Any:
            seen.append((part, str(path)))
            return original(path, **span)

        monkeypatch.setattr(live_clips, part, noting)
    return seen


@pytest.mark.parametrize("modalities", [("audio",), ("video",), ("audio", "video")])
def test_only_what_is_trained_on_is_decoded_and_once(
    manifest: Path, decoded: list[tuple[str, str]], modalities: tuple[str, ...]
) -> None:
    folder = build(manifest)
    decoded.clear()
    pipeline = [
        step
        for step in TRAINING
        if "video" in modalities or step["type"] in ("LoadCachedClip", "PackAVInputs")
    ]
    sample = AVClipDataset(str(folder), ["train"], pipeline, modalities=modalities)[1]
    assert set(sample["inputs"]) == set(modalities)
    parts = {"audio": "decode_sound", "video": "decode_frames"}
    assert sorted(part for part, _ in decoded) == sorted(parts[modality] for modality in modalities)
    assert len({path for _, path in decoded}) == 1


def test_a_batch_holds_the_single_samples(manifest: Path) -> None:
    dataset = AVClipDataset(str(build(manifest)), ["train"], TRAINING)
    batch = dataset.__getitems__([2, 0])
    for sample, single in zip(batch, (dataset[2], dataset[0]), strict=True):
        assert set(sample["inputs"]) == {"audio", "video"}
        for name, tensor in single["inputs"].items():
            assert torch.equal(sample["inputs"][name], tensor)


def test_bad_clips_are_counted_by_reason_and_never_decoded(
    manifest: Path, decoded: list[tuple[str, str]]
) -> None:
    table = pd.read_parquet(manifest)
    table.loc[11, ["start", "end"]] = (1.0, 1.01)
    table.loc[10, "path"] = ""
    table.to_parquet(manifest, index=False)
    bad = {clip_path(manifest, 1), clip_path(manifest, 5)}
    clip_path(manifest, 1).write_bytes(b"not a film" * 50)
    clip_path(manifest, 5).unlink()
    folder = build(manifest, max_bad_share=0.34)
    cache = load_cache(folder)
    assert cache.meta["counts"] == {"missing": 2, "ok": 8, "too_short": 1, "unreadable": 1}
    assert cache.index["status"][[1, 5, 10, 11]].tolist() == [
        "unreadable",
        "missing",
        "missing",
        "too_short",
    ]
    assert (cache.index["message"][[1, 5, 10, 11]] != "").all()
    # the log-mels of unlabelled and train that can be used
    assert cache.meta["statistics_clips"] == 6
    dataset = AVClipDataset(str(folder), ["unlabelled", "train"], TRAINING)
    assert dataset.rows.tolist() == [0, 2, 3, 4, 6, 7]
    for index in range(len(dataset)):
        dataset[index]
    paths = {Path(path) for _, path in decoded}
    assert paths == {clip_path(manifest, row) for row in dataset.rows.tolist()}
    assert not paths & bad


def test_too_many_bad_clips_are_an_error_and_repaired_ones_are_used(manifest: Path) -> None:
    folder = build(manifest)
    good = {row: clip_path(manifest, row).read_bytes() for row in (5, 9)}
    for row in good:
        clip_path(manifest, row).write_bytes(b"")
    with pytest.raises(UserError, match=r"2 of 12 clips cannot be used \(2 unreadable\)"):
        build(manifest, max_bad_share=0.1)
    for row, content in good.items():
        clip_path(manifest, row).write_bytes(content)
    assert load_cache(build(manifest)).meta["counts"] == {"ok": 12}
    assert folder.is_dir()


def test_statistics_without_a_training_clip_are_those_of_all(manifest: Path) -> None:
    pd.read_parquet(manifest).query("split == 'test'").reset_index(drop=True).to_parquet(
        manifest, index=False
    )
    meta = load_cache(build(manifest)).meta
    assert meta["statistics_clips"] == 2
    assert np.isfinite([meta["fbank_mean"], meta["fbank_std"]]).all()


def test_a_sample_of_clips_is_enough_for_the_statistics(
    manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = load_cache(build(manifest)).meta
    monkeypatch.setattr(live_clips, "STATISTICS_CLIPS", 3)
    first, again = (json.loads((build(manifest) / "meta.json").read_text()) for _ in range(2))
    assert first == again
    assert first["statistics_clips"] == 3
    assert first["fbank_mean"] != whole["fbank_mean"]


def load(dataset: AVClipDataset, workers: int) -> list[torch.Tensor]:
    loader = DataLoader(
        dataset,
        batch_size=3,
        num_workers=workers,
        collate_fn=list,
        multiprocessing_context="fork" if workers else None,
    )
    return [
        sample["inputs"][name]
        for batch in loader
        for sample in batch
        for name in ("audio", "video")
    ]


def test_workers_give_what_the_process_itself_gives(manifest: Path) -> None:
    folder = build(manifest)
    dataset = AVClipDataset(str(folder), ["unlabelled", "train"], TRAINING, seed=3)
    here = load(dataset, 0)
    for values in (load(dataset, 2), load(dataset, 2)):
        assert len(values) == len(here) == 2 * 10
        assert all(torch.equal(one, other) for one, other in zip(values, here, strict=True))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_that_goes_bad_after_the_check_is_named(manifest: Path, workers: int) -> None:
    folder = build(manifest)
    dataset = AVClipDataset(str(folder), ["test"], TRAINING)
    clip_path(manifest, 8).unlink()
    with pytest.raises(UserError) as caught:
        load(dataset, workers)
    assert f"{clip_path(manifest, 8)}: no such file, but the ledger lists it as usable" in str(
        caught.value
    )
    assert "run `diccae data cache --plan" in str(caught.value)


def test_a_file_that_was_replaced_after_the_check_is_named_and_a_copy_is_not(
    manifest: Path,
) -> None:
    folder = build(manifest)
    os.utime(clip_path(manifest, 8), (1, 1))
    dataset = AVClipDataset(str(folder), ["test"], TRAINING)
    load(dataset, 0)
    shutil.copy(clip_path(manifest, 2), clip_path(manifest, 8))
    with pytest.raises(UserError, match="replaced by another file .*`diccae data cache --plan"):
        load(dataset, 0)
    table = pd.read_parquet(manifest).drop(columns="sha256")
    table.to_parquet(manifest, index=False)
    cache = load_cache(build(manifest))
    assert np.array_equal(cache.frames[8], cache.frames[2])


def test_other_settings_are_taken_without_probing_again(manifest: Path) -> None:
    build(manifest)
    book = manifest.with_name("ledger.parquet")
    probed = pd.read_parquet(book)
    cache = load_cache(build(manifest, num_frames=2, n_mels=8))
    assert np.asarray(cache.frames[3]).shape == (2, 20, 20, 3)
    assert cache.fbank[3].shape == (24, 8)
    pd.testing.assert_frame_equal(pd.read_parquet(book), probed)
