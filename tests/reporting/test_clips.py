"""Clips that play inside the page, and the confusable pairs that it shows."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path

import av
import numpy as np

from diccae.reporting.clip_copy import still_frames
from diccae.reporting.clip_file import BYTES, CLIPS, LARGEST, playable
from diccae.reporting.clip_pairs import one_of_each_kind
from diccae.reporting.clip_sound import SAMPLE_RATE
from diccae.sections import Modality

LATE = {"start": 6.0, "end": 7.0}


def write_clip(
    path: Path,
    codec: str = "libx264",
    seconds: int = 1,
    brighter: bool = False,
    loud: float = 0.0,
    sound: str = "aac",
) -> Path:
    """A grey clip, which is `brighter` by 20 with every second, with noise as `loud` as that."""
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=12)
        video.width = video.height = 32
        video.pix_fmt = "yuv420p"
        audio = container.add_stream(sound, rate=SAMPLE_RATE, layout="mono")
        for number in range(12 * seconds):
            value = 20 * (number // 12) + 20 if brighter else 127
            grey = np.full((32, 32, 3), value, np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        noise = np.random.default_rng(0).uniform(-loud, loud, (1, SAMPLE_RATE * seconds))
        frame = av.AudioFrame.from_ndarray(noise.astype(np.float32), format="fltp", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        container.mux(audio.encode(frame))
        for stream in (video, audio):
            container.mux(stream.encode(None))
    return path


def test_a_small_clip_is_in_the_page_as_it_is(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4")
    for clip in ({}, {"start": 0.0, "end": 1.0}, {"start": float("nan"), "end": float("nan")}):
        uri = playable(path, clip, "AV")
        assert uri is not None
        kind, content = uri.split(";base64,")
        assert kind == "data:video/mp4"
        assert base64.b64decode(content) == path.read_bytes()


def copied(path: Path, clip: dict[str, float], modality: Modality) -> tuple[list[int], list[str]]:
    """Mean brightness of each frame of a copy in the page, and the codecs of its sound."""
    uri = playable(path, clip, modality)
    assert uri is not None
    content = base64.b64decode(uri.split(";base64,")[1])
    assert content != path.read_bytes()
    assert playable(path, clip, modality) == uri
    with av.open(BytesIO(content)) as container:
        (video,), sounds = container.streams.video, container.streams.audio
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        codecs = [stream.codec_context.name for stream in sounds]
        frames = [
            round(frame.to_ndarray(format="gray").mean()) for frame in container.decode(video)
        ]
    return frames, codecs


def test_a_part_of_a_file_plays_as_a_copy_of_this_part(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", seconds=8, brighter=True)
    for clip, seconds, first in (({"start": 1.0}, 5, 1), ({"end": 2.0}, 2, 0), (LATE, 1, 6)):
        frames, _ = copied(path, clip, "AV")
        assert len(frames) == 10 * seconds
        wanted = [20 * (first + number // 10) + 20 for number in range(10 * seconds)]
        assert np.abs(np.subtract(frames, wanted)).max() <= 4


def test_what_browsers_do_not_play_is_copied(tmp_path: Path) -> None:
    for path in (write_clip(tmp_path / "a.mp4", "mpeg4"), write_clip(tmp_path / "a.mkv")):
        # the sound is digital silence
        assert copied(path, {}, "AV")[1] == []
    path = write_clip(tmp_path / "b.mp4", "mpeg4", loud=0.5)
    assert copied(path, {}, "AV")[1] == ["aac"]
    assert copied(path, {}, "V")[1] == []
    assert copied(write_clip(tmp_path / "c.mp4", loud=0.5, sound="mp2"), {}, "AV")[1] == ["aac"]


def test_a_small_picture_is_not_enlarged(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4")
    sizes = [still_frames(path, 0.0, 1.0, 1, height)[0].shape[:2] for height in (160, 16)]
    assert sizes == [(32, 32), (16, 16)]


def test_all_clips_of_a_page_have_two_megabytes(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4")
    # bytes after the last box change nothing but the size
    path.write_bytes(path.read_bytes().ljust(LARGEST, b"\0"))
    uri = playable(path, {}, "AV")
    assert uri is not None
    assert CLIPS * (len(uri) - len("data:video/mp4;base64,")) <= BYTES
    path.write_bytes(path.read_bytes() + b"\0")
    copy = playable(path, {}, "AV")
    assert copy is not None
    assert len(copy) < len(uri) / 5


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
