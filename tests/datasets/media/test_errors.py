"""Every error of decoding a span, and sound or video that ends before its span."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diccae.datasets.containers import MediaError
from diccae.datasets.media import decode_clip
from tests.datasets.media.bar_and_tone import tone, write


def refused(path: Path, reason: str, words: str, **span: float) -> None:
    with pytest.raises(MediaError) as caught:
        decode_clip(path, **span)
    assert caught.value.reason == reason
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert words in text
    assert "replace the file or remove its row from the manifest" in text


def test_missing(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere.mp4", "missing", "no such file")
    refused(tmp_path, "missing", "no such file")


def test_empty(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").touch()
    refused(tmp_path / "clip.mp4", "empty", "no bytes")


@pytest.mark.parametrize("content", [b"This is no film.\n" * 100, bytes(5000), b"\xff"])
def test_not_media(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "clip.mp4").write_bytes(content)
    refused(tmp_path / "clip.mp4", "unreadable", "cannot be decoded")


def test_no_audio_stream(tmp_path: Path) -> None:
    refused(write(tmp_path / "clip.mp4", audio=False), "no_audio", "no audio stream")


def test_no_video_stream(tmp_path: Path) -> None:
    refused(write(tmp_path / "clip.mp4", video=False), "no_video", "no video stream")


def test_truncated_file_without_its_index(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(path, "unreadable", "cannot be decoded")


@pytest.mark.parametrize(
    ("name", "options"), [("clip.mp4", {"movflags": "faststart"}), ("clip.mkv", {})]
)
def test_truncated_file_with_its_index_first(
    tmp_path: Path, name: str, options: dict[str, str]
) -> None:
    path = write(tmp_path / name, seconds=6.0, options=options)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.3)])
    with pytest.raises(MediaError, match=str(path)) as caught:
        decode_clip(path, start=0.0, end=6.0)
    assert caught.value.reason in ("truncated", "unreadable")


def test_video_shorter_than_half_of_the_span(plain: Path) -> None:
    refused(plain, "truncated", "its video ends at 2.92 s, the manifest says 10.00 s", end=10.0)
    refused(plain, "truncated", "its video ends at 2.92 s", start=2.95, end=8.0)


def test_sound_shorter_than_half_of_the_span(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", sound=tone(0.8, 16000))
    refused(path, "truncated", "its sound ends at 0.8", end=2.0)
    refused(path, "truncated", "its sound ends at 0.8")
    assert len(decode_clip(path, end=1.0).audio) < 16000


def test_sound_a_little_short_is_taken_as_it_is(tmp_path: Path) -> None:
    assert (
        24000
        <= len(decode_clip(write(tmp_path / "clip.mp4", sound=tone(1.5, 16000)), end=2.0).audio)
        < 26000
    )


def test_span_after_the_end(plain: Path) -> None:
    refused(plain, "no_video", "no frame between 7.0 s and 9.0 s", start=7.0, end=9.0)


def test_span_at_a_time_that_no_file_has(plain: Path) -> None:
    # nanoseconds in place of seconds
    refused(plain, "unreadable", "begins later than a file can count", start=1.6e18, end=1.7e18)


@pytest.mark.parametrize(("start", "end"), [(1.0, 1.0), (2.0, 1.0)])
def test_empty_span(plain: Path, start: float, end: float) -> None:
    refused(plain, "empty_span", "is empty", start=start, end=end)


def test_silence(tmp_path: Path) -> None:
    refused(
        write(tmp_path / "clip.mp4", sound=np.zeros((1, 32000), np.float32)),
        "silent",
        "digital silence",
    )


def test_sound_that_is_not_finite(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "diccae.datasets.pyav_media.decode_audio", lambda *_: np.full(32000, np.nan, np.float32)
    )
    refused(plain, "unreadable", "not finite")
