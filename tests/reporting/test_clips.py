"""Clips that play inside the page, and the confusable pairs that it shows."""

from __future__ import annotations

import base64
from pathlib import Path

import av
import numpy as np
import pytest

from diccae.reporting.clip_file import BYTES, CLIPS, LARGEST, playable
from diccae.reporting.clip_pairs import one_of_each_kind
from diccae.reporting.clip_sound import SAMPLE_RATE


def write_clip(path: Path, codec: str = "libx264", seconds: int = 1) -> Path:
    """A grey clip with silence."""
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=12)
        video.width = video.height = 32
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        grey = np.full((32, 32, 3), 127, np.uint8)
        for _ in range(12 * seconds):
            container.mux(video.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        silence = np.zeros((1, SAMPLE_RATE * seconds), np.float32)
        frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        container.mux(audio.encode(frame))
        for stream in (video, audio):
            container.mux(stream.encode(None))
    return path


def test_a_small_clip_is_in_the_page_as_it_is(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4")
    for clip in ({}, {"start": 0.0, "end": 1.0}, {"start": float("nan"), "end": float("nan")}):
        uri = playable(path, clip)
        assert uri is not None
        kind, content = uri.split(";base64,")
        assert kind == "data:video/mp4"
        assert base64.b64decode(content) == path.read_bytes()


@pytest.mark.parametrize("clip", [{"start": 0.5}, {"end": 0.5}])
def test_a_part_of_a_file_does_not_play(tmp_path: Path, clip: dict[str, float]) -> None:
    assert playable(write_clip(tmp_path / "a.mp4"), clip) is None


def test_what_browsers_do_not_play_is_left_out(tmp_path: Path) -> None:
    assert playable(write_clip(tmp_path / "a.mp4", "mpeg4"), {}) is None
    assert playable(write_clip(tmp_path / "a.mkv"), {}) is None


def test_all_clips_of_a_page_have_two_megabytes(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4")
    # bytes after the last box change nothing but the size
    path.write_bytes(path.read_bytes().ljust(LARGEST, b"\0"))
    uri = playable(path, {})
    assert uri is not None
    assert CLIPS * (len(uri) - len("data:video/mp4;base64,")) <= BYTES
    path.write_bytes(path.read_bytes() + b"\0")
    assert playable(path, {}) is None


def test_the_most_confused_pair_of_each_kind_is_shown() -> None:
    confusable = {
        "AV": [[0, 1], [2, 3]],
        "V": [[0, 1], [2, 3], [0, 4], [2, 4]],
        "A": [[0, 1], [2, 3], [1, 4]],
    }
    bayes = {kind: np.eye(5) for kind in confusable}
    bayes["AV"][3, 2] = 0.2
    # most of all in V, but confusable in A too
    bayes["V"][0, 1] = 0.9
    bayes["V"][2, 4] = 0.3
    assert one_of_each_kind(confusable, bayes) == {"AV": (2, 3), "V": (2, 4), "A": (1, 4)}
    # the first benchmark has no pair that shares both
    ring = {"AV": [], "V": [[0, 1]], "A": [[1, 2]]}
    assert one_of_each_kind(ring, bayes) == {"V": (0, 1), "A": (1, 2)}
