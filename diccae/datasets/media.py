"""Decoding: a span of a media file as evenly spaced frames and mono sound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal, TypeVar, get_args

import av
import numpy as np

from diccae.datasets import pyav_media
from diccae.datasets.containers import CLOSE, MediaError, VideoSpan, check_exists, unreadable
from diccae.errors import UserError

# the largest sample that rounds to 0 in 16 bits
SILENCE = 2.0**-15

Backend = Literal["pyav", "torchcodec"]
Part = TypeVar("Part")


@dataclass(frozen=True)
class DecodedClip:
    """A decoded span.

    Attributes:
        frames: uint8 (T, H, W, 3), RGB.
        audio: float32 (S,) in [-1, 1].
        duration: seconds of the span.
        video_end: when the picture ends, in seconds of the file, at most at the end of the span.
        audio_end: when the sound ends, in seconds of the file.
        decoder: the library that decoded it, see `decoder_of`.
    """

    frames: np.ndarray
    audio: np.ndarray
    duration: float
    video_end: float
    audio_end: float
    decoder: Backend


def decode_clip(
    path: Path | str,
    *,
    start: float = 0.0,
    end: float | None = None,
    num_frames: int = 16,
    size: tuple[int, int] = (36, 36),
    sample_rate: int = 16000,
    backend: Backend = "pyav",
) -> DecodedClip:
    """Decode picture and sound of the span [start, end) of a file.

    The arguments are those of `decode_frames` and `decode_sound`.

    Raises:
        MediaError: the file is missing, empty, no media file, truncated or silent, or lacks a
            usable video or audio stream in the span.
        UserError: the backend cannot be imported.
    """
    video = decode_frames(
        path, start=start, end=end, num_frames=num_frames, size=size, backend=backend
    )
    audio = decode_sound(path, start=start, end=end, sample_rate=sample_rate, backend=backend)
    audio_end = start + len(audio) / sample_rate
    _check_sound_length(path, start, video.stop, audio_end)
    return DecodedClip(
        np.stack(video.images),
        audio,
        video.stop - start,
        _video_end(video, start),
        audio_end,
        decoder_of(Path(path), backend),
    )


def decode_frames(
    path: Path | str,
    *,
    start: float = 0.0,
    end: float | None = None,
    num_frames: int = 16,
    size: tuple[int, int] = (36, 36),
    backend: Backend = "pyav",
) -> VideoSpan:
    """Decode frames of the span [start, end) of the first video stream of a file.

    They are those on screen at the centres of `num_frames` equal parts of the span, turned
    upright; the largest central part of the shape of `size` is resized by area averaging.

    Args:
        path: the file.
        start: seconds from the beginning of the file.
        end: seconds from the beginning of the file; None for its end.
        num_frames: number of frames.
        size: height and width of the frames in pixels.
        backend: the library that decodes the files that it takes (see `decoder_of`).

    Raises:
        MediaError: the file is missing, empty or no media file, has no picture or no sound, or
            its picture ends before half of the span.
        UserError: the backend cannot be imported.
    """
    path = Path(path)
    video = _read(
        path,
        start,
        end,
        lambda: _module_for(path, backend).decode_video(path, start, end, num_frames, size),
    )
    if video is None:
        raise MediaError(path, "no_video", f"no frame {_describe_span(start, end)}")
    if end is not None and _video_end(video, start) < (start + end) / 2:
        raise MediaError(
            path,
            "truncated",
            f"its video ends at {video.last:.2f} s, the manifest says {end:.2f} s",
        )
    return video


def decode_sound(
    path: Path | str,
    *,
    start: float = 0.0,
    end: float | None = None,
    sample_rate: int = 16000,
    backend: Backend = "pyav",
) -> np.ndarray:
    """Decode sound, float32 (S,) in [-1, 1], of the span [start, end) of the first audio stream.

    It is the mean of the channels, or the loudest where they cancel each other (see
    `sound_mix.mono`). Sound that begins after `start` is preceded by zeros.

    Args:
        path: the file.
        start: seconds from the beginning of the file.
        end: seconds from the beginning of the file; None for its end.
        sample_rate: samples per second of the result.
        backend: the library that decodes the files that it takes (see `decoder_of`).

    Raises:
        MediaError: the file is missing, empty or no media file, has no picture or no sound, or
            its sound is silent or ends before half of the span.
        UserError: the backend cannot be imported.
    """
    path = Path(path)
    audio = _read(
        path,
        start,
        end,
        lambda: _module_for(path, backend).decode_audio(path, start, end, sample_rate),
    )
    if len(audio) == 0:
        raise MediaError(path, "no_audio", f"no sound {_describe_span(start, end)}")
    if not np.isfinite(audio).all():
        raise MediaError(path, "unreadable", "its sound has values that are not finite")
    if np.abs(audio).max() < SILENCE:
        raise MediaError(path, "silent", "its sound is digital silence")
    if end is not None:
        _check_sound_length(path, start, end, start + len(audio) / sample_rate)
    return audio


def decoder_of(path: Path, backend: Backend) -> Backend:
    """The library that decodes a file where `backend` is chosen.

    It is PyAV for every file for which torchcodec is known to give other frames.

    Raises:
        MediaError: a stream is missing.
        av.FFmpegError: PyAV cannot decode the file.
    """
    return backend if _module(backend).takes(path) else "pyav"


def require_backend(backend: Backend) -> None:
    """Check that a backend is known and can be imported.

    Raises:
        UserError: it is not.
    """
    if backend not in get_args(Backend):
        raise UserError(f"cache.decoder: wanted pyav or torchcodec, got {backend!r}")
    _module(backend)


def _read(path: Path, start: float, end: float | None, decode: Callable[[], Part]) -> Part:
    if end is not None and end <= start:
        raise MediaError(path, "empty_span", f"the span from {start} s to {end} s is empty")
    check_exists(path)
    try:
        return decode()
    except (av.FFmpegError, ValueError, EOFError) as error:
        raise unreadable(path, error) from None


def _describe_span(start: float, end: float | None) -> str:
    return f"between {start} s and {'the end' if end is None else f'{end} s'}"


def _video_end(video: VideoSpan, start: float) -> float:
    """When the picture ends, at most at the end of the span.

    A single frame that begins at `start` or later is a still picture, which has no end.
    """
    if video.ended and (video.count > 1 or video.last < start - CLOSE):
        return min(video.leaves, video.stop)
    return video.stop


def _check_sound_length(path: Path | str, start: float, stop: float, audio_end: float) -> None:
    if audio_end < (start + stop) / 2:
        raise MediaError(
            path, "truncated", f"its sound ends at {audio_end:.2f} s, the span at {stop:.2f} s"
        )


def _module_for(path: Path, backend: Backend) -> ModuleType:
    return _module(decoder_of(path, backend))


def _module(backend: Backend) -> ModuleType:
    if backend == "pyav":
        return pyav_media
    try:
        from diccae.datasets import torchcodec_media
    except (ImportError, OSError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"cache.decoder: torchcodec cannot be imported ({reason}); run `pip install "
            "-e '.[torchcodec]'` and install FFmpeg's shared libraries, or set cache.decoder "
            "to pyav in the plan"
        ) from None
    return torchcodec_media
