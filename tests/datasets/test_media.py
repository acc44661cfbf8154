"""Decoding against decoding everything and picking, and every way in which a file can be bad."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from diccae.datasets.containers import MediaError
from diccae.datasets.media import decode_clip
from diccae.datasets.pyav_media import upright


def picture(index: int, height: int, width: int) -> np.ndarray:
    """A frame that shows its number: a grey that changes, and a moving bar."""
    image = np.full((height, width, 3), 40 + 7 * index % 180, np.uint8)
    image[:, index % width] = (255, 0, 0)
    return image


def tone(seconds: float, rate: int, channels: int = 1) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    return np.repeat(0.4 * np.sin(2 * np.pi * 440 * time)[None], channels, 0).astype(np.float32)


def write(
    path: Path,
    *,
    seconds: float = 2.0,
    fps: int = 12,
    height: int = 48,
    width: int = 48,
    sound: np.ndarray | None = None,
    rate: int = 16000,
    video: bool = True,
    audio: bool = True,
    options: dict[str, str] | None = None,
    codec: str = "aac",
) -> Path:
    with av.open(str(path), "w", options=options or {}) as container:
        streams = []
        if video:
            stream = container.add_stream("mpeg4", rate=fps)
            stream.width, stream.height, stream.pix_fmt, stream.codec_context.gop_size = (
                width,
                height,
                "yuv420p",
                12,
            )
            stream.bit_rate = 2_000_000
            pictures = [picture(index, height, width) for index in range(round(seconds * fps))]
            streams.append(
                (stream, [av.VideoFrame.from_ndarray(image, format="rgb24") for image in pictures])
            )
        if audio:
            sound = tone(seconds, rate) if sound is None else sound
            layout = "mono" if len(sound) == 1 else "stereo"
            stream = container.add_stream(codec, rate=rate, layout=layout)
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(sound),
                format="flt" if codec != "aac" else "fltp",
                layout=layout,
            )
            frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
            streams.append((stream, [frame]))
        packets = [
            packet
            for stream, frames in streams
            for frame in [*frames, None]
            for packet in stream.encode(frame)
        ]
        # interleaved by time, so that cutting the file cuts both
        for packet in sorted(packets, key=lambda packet: float(packet.dts * packet.time_base)):
            container.mux(packet)
    return path


def everything(path: Path) -> tuple[list[np.ndarray], np.ndarray]:
    with av.open(str(path)) as container:
        decoded = [
            (float(frame.time), frame.to_ndarray(format="rgb24", threads=1))
            for frame in container.decode(video=0)
        ]
    return [image for _, image in decoded], np.array([time for time, _ in decoded])


def all_sound(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("media") / "plain.mp4", seconds=3.0)


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


# files that cannot be used


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


def test_a_decoded_frame_holds_no_threads(plain: Path) -> None:
    """A forked worker that frees a frame would otherwise wait for threads that it does not have."""
    with av.open(str(plain)) as container:
        frame = next(container.decode(video=0))
        before = len(os.listdir("/proc/self/task"))
        upright(frame)
        assert len(os.listdir("/proc/self/task")) == before
        frame.to_ndarray(format="rgb24", threads=3)
        assert len(os.listdir("/proc/self/task")) > before
