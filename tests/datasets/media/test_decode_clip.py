"""Frames and sound of a span against decoding everything and picking."""

from __future__ import annotations

import os
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from diccae.datasets.containers import upright
from diccae.datasets.media import decode_clip
from tests.datasets.media.bar_and_tone import all_sound, everything, tone, write


@pytest.mark.parametrize(
    ("start", "end"),
    [(0.0, 3.0), (0.0, None), (0.0, 2.0), (0.5, 2.5), (1.04, 1.96), (2.0, None), (0.99, 1.01)],
)
def test_frames_are_those_on_screen_at_the_centres_of_equal_parts(
    plain: Path, start: float, end: float | None
) -> None:
    images, times = everything(plain)
    clip = decode_clip(plain, start=start, end=end, num_frames=8, size=(24, 24))
    stop = 3.0 if end is None else end
    assert clip.duration == pytest.approx(stop - start)
    for number, frame in enumerate(clip.frames):
        moment = start + (number + 0.5) * (stop - start) / 8
        shown = images[np.flatnonzero(times <= moment + 1e-9)[-1]]
        assert np.array_equal(frame, cv2.resize(shown, (24, 24), interpolation=cv2.INTER_AREA)), (
            f"frame {number}, {moment} s"
        )


def test_the_frame_on_screen_at_the_start_is_there_though_it_began_before(plain: Path) -> None:
    images, _ = everything(plain)
    # frames change at 12/12 and 13/12 s; the span lies within the first
    clip = decode_clip(plain, start=1.01, end=1.07, num_frames=3, size=(48, 48))
    assert all(np.array_equal(frame, images[12]) for frame in clip.frames)


@pytest.mark.parametrize(("start", "end"), [(0.0, 3.0), (0.0, 1.0), (0.5, 2.5), (1.234, 1.9)])
def test_sound_of_a_span_is_the_slice_of_the_whole(plain: Path, start: float, end: float) -> None:
    clip = decode_clip(plain, start=start, end=end)
    whole = all_sound(plain)
    first = round(start * 16000)
    assert clip.audio.shape == (round((end - start) * 16000),)
    assert clip.audio.dtype == np.float32
    assert np.allclose(clip.audio, whole[first : first + len(clip.audio)], atol=1e-4)


def test_shapes_types_and_ranges(plain: Path) -> None:
    clip = decode_clip(plain, num_frames=5, size=(20, 30))
    assert clip.frames.shape == (5, 20, 30, 3)
    assert clip.frames.dtype == np.uint8
    assert np.abs(clip.audio).max() <= 1


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (8000, 1), (48000, 2)])
def test_other_rates_and_channels_become_16_khz_mono(
    tmp_path: Path, rate: int, channels: int
) -> None:
    path = write(tmp_path / "clip.mp4", sound=tone(2.0, rate, channels), rate=rate)
    audio = decode_clip(path, end=2.0).audio
    assert len(audio) == pytest.approx(32000, abs=400)
    spectrum = np.abs(np.fft.rfft(audio[4000:20000]))
    assert np.argmax(spectrum) == 440
    assert np.abs(audio[4000:20000]).max() == pytest.approx(0.4, abs=0.05)


def test_sound_that_needs_no_conversion(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mkv", codec="pcm_f32le")
    assert np.array_equal(decode_clip(path, end=2.0).audio, tone(2.0, 16000)[0])


def test_stereo_is_averaged(tmp_path: Path) -> None:
    left = tone(2.0, 44100)
    path = write(tmp_path / "clip.mp4", sound=np.concatenate([left, 0 * left]), rate=44100)
    assert np.abs(decode_clip(path).audio[4000:20000]).max() == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize(("height", "width"), [(50, 70), (70, 50), (34, 122), (16, 16)])
def test_odd_sizes_keep_their_centre_and_their_shape(
    tmp_path: Path, height: int, width: int
) -> None:
    path = write(tmp_path / "clip.mp4", height=height, width=width)
    images, _ = everything(path)
    frame = decode_clip(path, num_frames=1, size=(36, 36)).frames[0]
    side, shown = min(height, width), images[12]
    top, left = (height - side) // 2, (width - side) // 2
    wanted = cv2.resize(
        np.ascontiguousarray(shown[top : top + side, left : left + side]),
        (36, 36),
        interpolation=cv2.INTER_AREA,
    )
    assert np.array_equal(frame, wanted)


def test_a_wide_target_takes_a_wide_part(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", height=48, width=48)
    images, _ = everything(path)
    frame = decode_clip(path, num_frames=1, size=(12, 24)).frames[0]
    assert np.array_equal(
        frame, cv2.resize(images[12][12:36], (24, 12), interpolation=cv2.INTER_AREA)
    )


def test_a_decoded_frame_holds_no_threads(plain: Path) -> None:
    """A forked worker that frees a frame would otherwise wait for threads that it does not have."""
    with av.open(str(plain)) as container:
        frame = next(container.decode(video=0))
        before = len(os.listdir("/proc/self/task"))
        upright(frame)
        assert len(os.listdir("/proc/self/task")) == before
        frame.to_ndarray(format="rgb24", threads=3)
        assert len(os.listdir("/proc/self/task")) > before
