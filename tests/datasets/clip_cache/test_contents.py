"""What a clip cache holds: values, log-mels, unusable clips, and clips of another decoder."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from diccae.datasets import decoders, pyav_media
from diccae.datasets.av_clip_dataset import AVClipDataset
from diccae.datasets.clip_cache import load_cache
from diccae.datasets.clip_files import replaced_clips
from diccae.datasets.clips import fbank_statistics, log_mels, training_rows
from diccae.datasets.media import decode_clip
from diccae.datasets.readers import plain_csv
from diccae.datasets.readers.manifest import write_manifest
from diccae.errors import UserError
from tests.datasets.clip_cache.conftest import build, clip_path


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
    with pytest.raises(UserError, match="none of the files of its 10 clips is there"):
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
        patched.setattr(decoders, "_module", module)
        found = load_cache(build(manifest, mode=mode, decoder="torchcodec"))
        assert np.array_equal(found.frames[3], expected.frames[3])
        assert "torchcodec" in seen
    assert found.meta["settings"]["decoder"] == "torchcodec"


def test_clips_that_another_decoder_has_read_are_counted(
    manifest: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refusing = SimpleNamespace(takes=lambda path, _: path.stem != "train-000002")
    refusing.decode_video, refusing.decode_audio = pyav_media.decode_video, pyav_media.decode_audio
    modules = {"pyav": pyav_media, "torchcodec": refusing}
    monkeypatch.setattr(decoders, "_module", modules.get)
    index = load_cache(build(manifest, decoder="torchcodec")).index
    assert index["decoder"].tolist() == 6 * ["torchcodec"] + ["pyav"] + 3 * ["torchcodec"]
    assert "1 of 10 clips were decoded by pyav" in capsys.readouterr().out


def test_a_decoder_that_is_unknown_or_not_installed_is_an_error(
    manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="cache.decoder: wanted pyav or torchcodec, got 'opencv'"):
        build(manifest, decoder="opencv")
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", None)
    monkeypatch.delitem(sys.modules, "diccae.datasets.torchcodec_media", raising=False)
    monkeypatch.delattr("diccae.datasets.torchcodec_media", raising=False)
    with pytest.raises(UserError, match="torchcodec cannot be imported .*cache.decoder to pyav"):
        build(manifest, decoder="torchcodec")
    assert not (manifest.parent / "cache").exists()


@pytest.mark.parametrize("mode", ["stored", "live"])
def test_clips_beside_a_data_folder_that_is_a_link(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    disk, project = tmp_path / "disk" / "deep" / "results", tmp_path / "project"
    for folder in (disk, project):
        folder.mkdir(parents=True)
    (project / "results").symlink_to(disk)
    clips = [str(project / "media" / f"{number}.mp4") for number in range(2)]
    (project / "media").mkdir()
    for number, clip in enumerate(clips):
        shutil.copy(clip_path(manifest, number), clip)
    monkeypatch.chdir(project)
    linked = Path("results/data/manifest.parquet")
    (project / "list.csv").write_text("path,label_name\n0.mp4,one\n1.mp4,other\n")
    write_manifest(plain_csv.read([Path("list.csv")], Path("media")), linked)
    # on every machine the same, wherever a link leads to
    assert pd.read_parquet(linked)["path"][0] == "../../media/0.mp4"
    cache = load_cache(build(linked, mode=mode))
    assert cache.meta["counts"] == {"ok": 2}
    assert np.asarray(cache.frames[1]).any()
    shutil.copy(clips[0], clips[1])
    if mode == "stored":
        assert replaced_clips(linked.parent / "cache") == ["media/1.mp4"]
    else:
        with pytest.raises(UserError, match="media/1.mp4: it was replaced by another file"):
            np.asarray(cache.frames[1])
