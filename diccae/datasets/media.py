"""Decoding: a span of a media file as evenly spaced frames and mono audio, through PyAV or torchcodec."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar

import av
import numpy as np

from diccae.datasets import pyav_media
from diccae.datasets.containers import (
    CLOSE,
    MediaError,
    VideoSpan,
    first_stream,
    is_cover,
    open_media,
)
from diccae.errors import UserError

# a sound that 16 bits would write as zeros
SILENCE = 2.0**-15

Backend = Literal["pyav", "torchcodec"]
Part = TypeVar("Part")


@dataclass(frozen=True)
class DecodedClip:
    """frames uint8 (T, H, W, 3) RGB; audio float32 (S,) in [-1, 1]; duration in seconds of what was decoded; when picture and sound end, at most at
    the end of the span."""

    frames: np.ndarray
    audio: np.ndarray
    duration: float
    video_end: float
    audio_end: float


@dataclass(frozen=True)
class MediaFacts:
    """What a file says of itself: seconds (NaN where it does not say), streams, and the first video and audio stream (zeros where there is none)."""

    duration: float
    video_streams: int
    audio_streams: int
    video_codec: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    audio_codec: str = ""
    sample_rate: int = 0
    channels: int = 0


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
    """Picture and sound of the span [start, end) of a file; see `decode_frames` and `decode_sound`.

    Raises:
        MediaError: the file is missing, empty, not media, truncated, silent, or lacks a usable video or audio stream in the span.
        UserError: torchcodec is asked for and cannot be imported.
    """
    video = decode_frames(
        path, start=start, end=end, num_frames=num_frames, size=size, backend=backend
    )
    audio = decode_sound(path, start=start, end=end, sample_rate=sample_rate, backend=backend)
    audio_end = start + len(audio) / sample_rate
    _refuse_short_sound(path, start, video.stop, audio_end)
    return DecodedClip(
        np.stack(video.images), audio, video.stop - start, _video_end(video, start), audio_end
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
    """Frames of the span [start, end) of the first video stream of a file (seconds from its beginning; None = to its end).

    They are the ones on screen at the centres of `num_frames` equal parts of the span, turned upright: their central part of the shape of `size`
    (height, width), resized to `size` by area averaging.

    Raises:
        MediaError: the file is missing, empty or not media, has no picture or no sound, or its picture ends before half of the span.
        UserError: torchcodec is asked for and cannot be imported.
    """
    path = Path(path)
    video = _read(
        path, start, end, lambda: _decoder(backend).decode_video(path, start, end, num_frames, size)
    )
    if video is None:
        raise MediaError(path, "no_video", f"no frame {_words(start, end)}")
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
    """Sound, float32 (S,) in [-1, 1], of the span [start, end) of the first audio stream of a file: the mean of its channels.

    Sound that begins after `start` is preceded by zeros.

    Raises:
        MediaError: the file is missing, empty or not media, has no picture or no sound, or its sound is silence or ends before half of the span.
        UserError: torchcodec is asked for and cannot be imported.
    """
    path = Path(path)
    audio = _read(
        path, start, end, lambda: _decoder(backend).decode_audio(path, start, end, sample_rate)
    )
    if len(audio) == 0:
        raise MediaError(path, "no_audio", f"no sound {_words(start, end)}")
    if not np.isfinite(audio).all():
        raise MediaError(path, "unreadable", "its sound has values that are not finite")
    if np.abs(audio).max() < SILENCE:
        raise MediaError(path, "silent", "its sound is digital silence")
    if end is not None:
        _refuse_short_sound(path, start, end, start + len(audio) / sample_rate)
    return audio


def describe(path: Path | str) -> MediaFacts:
    """What a file says of its streams, without decoding.

    Raises:
        MediaError: the file is missing, empty or not media.
    """
    path = Path(path)
    _refuse_missing(path)
    try:
        with open_media(path) as container:
            video, audio = first_stream(container, "video"), first_stream(container, "audio")
            facts: dict[str, Any] = {
                "duration": container.duration / av.time_base
                if container.duration
                else float("nan"),
                "video_streams": sum(not is_cover(stream) for stream in container.streams.video),
                "audio_streams": len(container.streams.audio),
            }
            if video is not None and video.codec_context is not None:
                facts |= {
                    "video_codec": video.codec_context.name,
                    "width": video.width,
                    "height": video.height,
                }
                facts |= {"fps": float(video.average_rate or 0)}
            if audio is not None and audio.codec_context is not None:
                facts |= {
                    "audio_codec": audio.codec_context.name,
                    "sample_rate": audio.sample_rate or 0,
                }
                facts |= {"channels": audio.channels or 0}
            return MediaFacts(**facts)
    except (av.FFmpegError, ValueError, EOFError) as error:
        raise _unreadable(path, error) from None


def _read(path: Path, start: float, end: float | None, decode: Callable[[], Part]) -> Part:
    if end is not None and end <= start:
        raise MediaError(path, "empty_span", f"the span from {start} s to {end} s is empty")
    _refuse_missing(path)
    try:
        return decode()
    except (av.FFmpegError, ValueError, EOFError) as error:
        raise _unreadable(path, error) from None


def _words(start: float, end: float | None) -> str:
    return f"between {start} s and {'the end' if end is None else f'{end} s'}"


def _video_end(video: VideoSpan, start: float) -> float:
    """When the picture ends, at most at the end of the span; a single frame from the start on is a still picture, which may well be meant."""
    if video.ended and (video.count > 1 or video.last < start - CLOSE):
        return min(video.leaves, video.stop)
    return video.stop


def _refuse_short_sound(path: Path | str, start: float, stop: float, audio_end: float) -> None:
    if audio_end < (start + stop) / 2:
        raise MediaError(
            path, "truncated", f"its sound ends at {audio_end:.2f} s, the span at {stop:.2f} s"
        )


def _decoder(backend: Backend) -> ModuleType:
    if backend == "pyav":
        return pyav_media
    try:
        from diccae.datasets import torchcodec_media
    except (ImportError, OSError, RuntimeError) as error:
        words = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"backend torchcodec: it cannot be imported ({words}); install torchcodec and FFmpeg's shared libraries, or use the backend pyav"
        ) from None
    return torchcodec_media


def _refuse_missing(path: Path) -> None:
    if not path.is_file():
        raise MediaError(path, "missing", "no such file")
    if path.stat().st_size == 0:
        raise MediaError(path, "empty", "the file has no bytes")


def _unreadable(path: Path, error: Exception) -> MediaError:
    words = (
        getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]
    )
    return MediaError(path, "unreadable", f"it cannot be decoded ({words})")
