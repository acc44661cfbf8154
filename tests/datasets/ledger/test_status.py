"""The status of clips in the ledger, counts, and what is kept between checks."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from diccae.datasets.ledger import check, summarise
from diccae.datasets.probe import probe_clip
from tests.datasets.ledger.conftest import manifest_of, rows_of
from tests.datasets.media.samples import picture, write


@pytest.mark.parametrize(
    ("name", "status", "usable", "reason"),
    [
        ("good", "ok", True, ""),
        ("whole", "ok", True, ""),
        ("-part", "ok", True, ""),
        (
            "short",
            "short",
            True,
            "short: its picture ends before its span, but lasts for half of it",
        ),
        ("cut", "short", False, "short: its picture or its sound ends before half of its span"),
        ("after", "short", False, "short: its picture ends before its span begins"),
        ("reversed", "unreadable", False, "unreadable: the span in the manifest is empty"),
        ("endless", "ok", True, ""),
        ("absurd", "unreadable", False, "unreadable: its span begins later than a file can count"),
        ("mute", "no_audio", False, "no_audio: there is no audio stream"),
        ("blind", "no_video", False, "no_video: there is no video stream"),
        ("silent", "silent", False, "silent: its sound is digital silence"),
        ("still", "still", True, "still: its picture does not change"),
        (
            "text",
            "unreadable",
            False,
            "unreadable: it cannot be decoded (Invalid data found when processing input)",
        ),
        ("empty", "unreadable", False, "unreadable: the file has no bytes"),
        ("gone", "missing", False, "missing: no such file"),
    ],
)
def test_status_of_every_kind(
    made: Path, name: str, status: str, usable: bool, reason: str
) -> None:
    row = rows_of(made)[name]
    assert (row["status"], row["usable"], row["reason"]) == (status, usable, reason)


def test_columns(clips: Path, made: Path) -> None:
    rows, file = rows_of(made), clips.parent / "good.mp4"
    good = rows["good"]
    assert list(rows) == pd.read_parquet(clips)["id"].tolist()
    assert (good["bytes"], good["mtime_ns"]) == (file.stat().st_size, file.stat().st_mtime_ns)
    assert (good["width"], good["height"], good["fps"], good["sample_rate"], good["channels"]) == (
        64,
        48,
        25,
        16000,
        1,
    )
    assert (good["video_codec"], good["audio_codec"]) == ("mpeg4", "aac")
    assert (good["video_streams"], good["audio_streams"]) == (1, 1)
    assert good["duration"] == pytest.approx(2.0, abs=0.1)
    assert good["peak"] == pytest.approx(0.4, abs=0.1)
    assert (good["video_end"], good["audio_end"]) == pytest.approx((2.0, 2.0), abs=0.01)
    assert (rows["whole"]["start"], rows["whole"]["end"]) == (None, None)
    assert rows["short"]["video_end"] == pytest.approx(2.0, abs=0.01)
    assert (
        rows["mute"]["audio_streams"],
        rows["blind"]["video_streams"],
        rows["gone"]["bytes"],
    ) == (0, 0, -1)
    assert not made.with_name("ledger.parquet.parts").exists()


def test_the_ledger_names_its_manifest(clips: Path, made: Path) -> None:
    kept = pq.read_schema(made).metadata
    assert kept[b"manifest_sha256"].decode() == hashlib.sha256(clips.read_bytes()).hexdigest()


def test_counts(made: Path) -> None:
    counts = summarise(made)
    assert (counts.listed, counts.found, counts.readable, counts.with_sound, counts.used) == (
        16,
        15,
        11,
        9,
        6,
    )
    assert counts.statuses["ok"] == counts.statuses["unreadable"] == 4
    assert counts.statuses["short"] == 3
    assert sum(counts.reasons.values()) == 10
    assert not any(reason.startswith("still") for reason in counts.reasons)


def test_a_still_picture_that_was_encoded_with_loss_and_one_in_which_little_moves(
    tmp_path: Path,
) -> None:
    def drawn(index: int) -> np.ndarray:
        image = np.repeat(picture(0, 12, 16), 12, axis=0).repeat(12, axis=1)
        image[60:72, 2 * index : 2 * index + 12] = 255
        return image

    settings = {"size": (144, 192), "options": {"crf": "30"}}
    still = write(tmp_path / "still.mp4", draw=lambda _: drawn(0), **settings)
    assert probe_clip(still, 0.0, 2.0)["status"] == "still"
    assert (
        probe_clip(write(tmp_path / "moving.mp4", draw=drawn, **settings), 0.0, 2.0)["status"]
        == "ok"
    )


# again


def test_nothing_that_is_unchanged_is_probed_again(clips: Path, made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(clips.parent, folder)
    out, before = folder / "ledger.parquet", rows_of(made)
    assert check(folder / "manifest.parquet", out, jobs=1, progress=False).probed == 0
    assert repr(rows_of(out)) == repr(before)
    # a repaired file and a new one
    shutil.copy(folder / "good.mp4", folder / "text.mp4")
    shutil.copy(folder / "good.mp4", folder / "gone.mp4")
    assert check(folder / "manifest.parquet", out, jobs=1, progress=False).probed == 2
    assert rows_of(out)["text"]["status"] == rows_of(out)["gone"]["status"] == "ok"
    # a file that was only touched, another one of the same size, one that went
    os.utime(folder / "still.mp4", (1, 1))
    clip = folder / "text.mp4"
    clip.write_bytes(clip.read_bytes()[::-1])
    (folder / "mute.mp4").unlink()
    assert check(folder / "manifest.parquet", out, jobs=1, progress=False).probed == 2
    assert rows_of(out)["mute"]["status"] == "missing"


def test_another_manifest_takes_over_what_it_shares(
    clips: Path, made: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(clips.parent, folder)
    rows = [
        ("new name", "good.mp4", 0.0, 2.0),
        ("other span", "good.mp4", 0.1, 2.0),
        ("mute", "mute.mp4", 0.0, 2.0),
    ]
    other = manifest_of(folder, rows[::-1], "other.parquet")
    assert check(other, folder / "ledger.parquet", jobs=1, progress=False).probed == 1
    assert list(rows_of(folder / "ledger.parquet")) == ["mute", "other span", "new name"]
    assert rows_of(folder / "ledger.parquet")["new name"]["status"] == "ok"


def test_a_ledger_of_another_version_is_made_again(
    clips: Path, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "ledger.parquet"
    pq.write_table(pq.read_table(made).replace_schema_metadata({"probe": "0"}), out)
    assert check(clips, out, jobs=1, progress=False).probed == 16
    assert "made by another version of the check" in capsys.readouterr().out
