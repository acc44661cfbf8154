"""Files of several streams, of one frame, and of streams that end or begin at other times."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from diccae.datasets import pyav_media
from diccae.datasets.media import decode_clip
from diccae.datasets.media_facts import describe
from tests.datasets.media.samples import (
    agrees,
    cut,
    everything,
    loudest,
    picture,
    refused,
    sine,
    write,
)

# streams


def test_of_several_streams_the_first_is_taken(tmp_path: Path) -> None:
    sounds = (sine(2.0, 16000, hertz=440.0), sine(2.0, 16000, channels=2, hertz=1000.0))
    path = write(tmp_path / "clip.mkv", videos=2, sounds=sounds)
    agrees(path, 0.0, 2.0)
    assert loudest(decode_clip(path, end=2.0).audio[4000:28000]) == pytest.approx(440, abs=1)
    facts = describe(path)
    assert (facts.video_streams, facts.audio_streams, facts.channels) == (2, 2, 1)


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=1, width=64, height=48, pix_fmt="yuvj420p")
        cover.disposition = av.stream.Disposition.attached_pic
        sound = container.add_stream("aac", rate=16000, layout="mono")
        container.mux(cover.encode(av.VideoFrame.from_ndarray(picture(0, 48, 64), format="rgb24")))
        container.mux(cover.encode(None))
        frame = av.AudioFrame.from_ndarray(sine(2.0, 16000), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux([*sound.encode(frame), *sound.encode(None)])
    refused(path, "no_video", "no video stream")
    assert describe(path).video_streams == 0


def test_what_a_file_says_of_itself(tmp_path: Path) -> None:
    facts = describe(write(tmp_path / "clip.mp4", sounds=(sine(2.0, 44100, 2),), rate=44100))
    assert facts.duration == pytest.approx(2.0, abs=0.1)
    assert (facts.video_codec, facts.width, facts.height, facts.fps) == ("h264", 64, 48, 25.0)
    assert (facts.audio_codec, facts.sample_rate, facts.channels) == ("aac", 44100, 2)


# lengths


@pytest.mark.parametrize("end", [None, 2.0])
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.avi"])
def test_a_single_frame_is_a_still_picture(tmp_path: Path, name: str, end: float | None) -> None:
    path = write(tmp_path / name, codec="mpeg4", pts=[0])
    images, _ = everything(path)
    clip = decode_clip(path, end=end, num_frames=4, size=(48, 64))
    assert all(np.array_equal(frame, images[0]) for frame in clip.frames)
    assert clip.duration > 0
    assert len(clip.audio) >= 31000


def test_a_long_file_is_decoded_twice_rather_than_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "clip.mp4")
    held = decode_clip(path, start=0.5)
    monkeypatch.setattr(pyav_media, "KEPT", 20_000)
    again = decode_clip(path, start=0.5)
    assert held.duration == again.duration == pytest.approx(1.5)
    assert np.array_equal(held.frames, again.frames)


def test_ends_of_picture_and_sound(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", sounds=(sine(1.6, 16000),))
    clip = decode_clip(path, start=0.5, end=2.2)
    assert clip.video_end == pytest.approx(2.0, abs=0.01)
    assert clip.audio_end == pytest.approx(1.6, abs=0.1)
    assert decode_clip(path, start=0.5, end=1.5).video_end == 1.5


def test_times_count_from_the_beginning_of_a_transport_stream(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.ts", pts=list(range(250, 300)), late=10.0)
    with av.open(str(path)) as container:
        assert container.start_time > 9_000_000
    agrees(path, 0.2, 1.8)
    assert np.abs(decode_clip(path, end=0.5).audio[2000:8000]).max() > 0.3


# cut files


@pytest.mark.parametrize("start", [0.0, 0.3, 1.1])
def test_program_streams_and_files_with_an_edit_list(tmp_path: Path, start: float) -> None:
    sounds = (sine(4.0, 44100, 2),)
    program = write(
        tmp_path / "clip.mpg",
        codec="mpeg2video",
        pts=list(range(100)),
        sounds=sounds,
        sound_codec="mp2",
        rate=44100,
    )
    whole = write(
        tmp_path / "whole.mp4",
        pts=list(range(100)),
        sounds=sounds,
        rate=44100,
        options={"bf": "2", "g": "30"},
    )
    for path in (program, cut(whole, tmp_path / "cut.mp4", 1.5)):
        agrees(path, start, start + 1.0)
        audio = decode_clip(path, start=start, end=start + 1.0).audio[1000:15000]
        assert loudest(audio) == pytest.approx(440, abs=2)
