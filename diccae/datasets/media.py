"""Decoding: a span of a media file as evenly spaced frames and mono sound."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np

from diccae.datasets.containers import (
    CLOSE,
    MediaError,
    VideoSpan,
    check_exists,
    open_media,
    unreadable,
)
from diccae.datasets.decoders import Backend, decoder_of, module_for
from diccae.datasets.stated_length import stated_seconds
from diccae.sections import Modality

# the largest sample that rounds to 0 in 16 bits
SILENCE = 2.0**-15

Part = TypeVar("Part")


@dataclass(frozen=True)
class DecodedClip:
    """A decoded span.

    Attributes:
        frames: uint8 (T, H, W, 3), RGB; None where no picture was asked for.
        audio: float32 (S,) in [-1, 1]; None where no sound was asked for.
        duration: seconds of the span. Where only sound was asked for, an open span ends where the
            file says that it does, or where its sound does.
        video_end: when the picture ends, in seconds of the file, at most at the end of the span;
            NaN without a picture.
        audio_end: when the sound ends, in seconds of the file; NaN without sound.
        decoder: the library that decoded it, see `decoders.decoder_of`.
    """

    frames: np.ndarray | None
    audio: np.ndarray | None
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
    modality: Modality = "AV",
) -> DecodedClip:
    """Decode picture and sound of the span [start, end) of a file, or one of them.

    The arguments are those of `decode_frames` and `decode_sound`.

    Raises:
        MediaError: the file is missing, empty, no media file, truncated or silent, or lacks a
            usable stream of the modality in the span.
        UserError: the backend cannot be imported.
    """
    common: dict[str, Any] = dict(start=start, end=end, backend=backend, modality=modality)
    images, audio, video_end, audio_end = None, None, math.nan, math.nan
    stop = math.nan if end is None else end
    if "V" in modality:
        video = decode_frames(path, num_frames=num_frames, size=size, **common)
        images, stop, video_end = video.images, video.stop, _video_end(video, start)
    if "A" in modality:
        audio = decode_sound(path, sample_rate=sample_rate, **common)
        audio_end = start + len(audio) / sample_rate
        ending = "the span"
        if math.isnan(stop):
            stop, ending = _stated_end(Path(path)) or audio_end, "the file by its header"
        _check_sound_length(path, start, stop, audio_end, ending)
    return DecodedClip(
        None if images is None else np.stack(images),
        audio,
        stop - start,
        video_end,
        audio_end,
        decoder_of(Path(path), backend, modality),
    )


def decode_frames(
    path: Path | str,
    *,
    start: float = 0.0,
    end: float | None = None,
    num_frames: int = 16,
    size: tuple[int, int] = (36, 36),
    backend: Backend = "pyav",
    modality: Modality = "AV",
    only: int | None = None,
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
        backend: the library that decodes the files that it takes (see `decoders.decoder_of`).
        modality: what the file must have.
        only: the number of the frame to return alone, the same as among all; None for all. No more
            is decoded than it takes, so that damage elsewhere in the file is not noticed.

    Raises:
        MediaError: the file is missing, empty or no media file, lacks a stream, or its picture
            ends before half of the span.
        UserError: the backend cannot be imported.
    """
    path = Path(path)
    video = _read(
        path,
        start,
        end,
        lambda: module_for(path, backend, modality).decode_video(
            path, start, end, num_frames, size, modality, only
        ),
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
    modality: Modality = "AV",
) -> np.ndarray:
    """Decode sound, float32 (S,) in [-1, 1], of the span [start, end) of the first audio stream.

    It is the mean of the channels, or the loudest where they cancel each other (see
    `sound_mix.mono`). Sound that begins after `start` is preceded by zeros.

    Args:
        path: the file.
        start: seconds from the beginning of the file.
        end: seconds from the beginning of the file; None for its end.
        sample_rate: samples per second of the result.
        backend: the library that decodes the files that it takes (see `decoders.decoder_of`).
        modality: what the file must have.

    Raises:
        MediaError: the file is missing, empty or no media file, lacks a stream, or its sound is
            silent or ends before half of the span.
        UserError: the backend cannot be imported.
    """
    path = Path(path)
    audio = _read(
        path,
        start,
        end,
        lambda: module_for(path, backend, modality).decode_audio(
            path, start, end, sample_rate, modality
        ),
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


def _read(path: Path, start: float, end: float | None, decode: Callable[[], Part]) -> Part:
    if end is not None and end <= start:
        raise MediaError(path, "empty_span", f"the span from {start} s to {end} s is empty")
    check_exists(path)
    try:
        return decode()
    except (av.FFmpegError, ValueError, EOFError) as error:
        raise unreadable(path, error) from None
    except OverflowError:
        words = "its span begins later than a file can count"
        raise MediaError(path, "unreadable", words) from None


def _describe_span(start: float, end: float | None) -> str:
    return f"between {start} s and {'the end' if end is None else f'{end} s'}"


def _video_end(video: VideoSpan, start: float) -> float:
    """When the picture ends, at most at the end of the span.

    A single frame that begins at `start` or later is a still picture, which has no end.
    """
    if video.ended and (video.count > 1 or video.last < start - CLOSE):
        return min(video.leaves, video.stop)
    return video.stop


def _stated_end(path: Path) -> float | None:
    with open_media(path) as container:
        return stated_seconds(path, container)


def _check_sound_length(
    path: Path | str, start: float, stop: float, audio_end: float, ending: str = "the span"
) -> None:
    if audio_end < (start + stop) / 2:
        words = f"its sound ends at {audio_end:.2f} s, {ending} at {stop:.2f} s"
        raise MediaError(path, "truncated", words)
