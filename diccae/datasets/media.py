"""Decoding: a span of a media file as evenly spaced frames and mono audio, through PyAV."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

from diccae.structures import UserError


class MediaError(UserError):
    """A clip that cannot be used; `reason` is a short word for counting."""

    def __init__(self, path: Path | str, reason: str, words: str) -> None:
        super().__init__(f"{path}: {words}; replace the file or take its row out of the manifest")
        self.reason = reason


@dataclass(frozen=True)
class DecodedClip:
    """frames uint8 (T, H, W, 3) RGB; audio float32 (S,) in [-1, 1]; duration in seconds of what was decoded."""

    frames: np.ndarray
    audio: np.ndarray
    duration: float


def decode_clip(path: Path | str, *, start: float = 0.0, end: float | None = None, num_frames: int = 16, size: tuple[int, int] = (36, 36),
                sample_rate: int = 16000) -> DecodedClip:
    """Decode the span [start, end) of a file (seconds; None = to its end).

    Frames are the ones shown at the centres of `num_frames` equal parts of the span, resized to `size` (height, width) by area averaging.

    Raises:
        MediaError: the file is missing, empty, not media, truncated, or lacks a usable video or audio stream in the span.
    """
    path = Path(path)
    if not path.is_file():
        raise MediaError(path, "missing", "no such file")
    if path.stat().st_size == 0:
        raise MediaError(path, "empty", "the file has no bytes")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise MediaError(path, "no_video", "there is no video stream")
            if not container.streams.audio:
                raise MediaError(path, "no_audio", "there is no audio stream")
            images, times = _decode_video(container, start, end)
        with av.open(str(path)) as container:
            audio = _decode_audio(container, start, end, sample_rate)
    except (av.FFmpegError, ValueError, EOFError) as error:
        raise MediaError(path, "unreadable", f"it cannot be decoded ({str(error).splitlines()[0]})") from None
    if not images:
        raise MediaError(path, "no_video", f"no frame between {start} s and {end if end is not None else 'the end'}")
    if len(audio) == 0:
        raise MediaError(path, "no_audio", f"no sound between {start} s and {end if end is not None else 'the end'}")
    if not np.isfinite(audio).all():
        raise MediaError(path, "unreadable", "its sound has values that are not finite")
    if np.abs(audio).max() == 0:
        raise MediaError(path, "silent", "its sound is digital silence")
    stop = end if end is not None else times[-1] + (times[-1] - times[0]) / max(1, len(times) - 1)
    if end is not None and times[-1] < start + 0.5 * (end - start) and len(times) > 1:
        raise MediaError(path, "truncated", f"its video ends at {times[-1]:.2f} s, the manifest says {end:.2f} s")
    wanted = start + (np.arange(num_frames) + 0.5) * (stop - start) / num_frames
    chosen = np.clip(np.searchsorted(np.asarray(times), wanted, side="right") - 1, 0, len(times) - 1)
    converted = {int(index): _convert(images[index], size) for index in np.unique(chosen)}
    return DecodedClip(np.stack([converted[int(index)] for index in chosen]), audio, stop - start)


def _decode_video(container: av.container.InputContainer, start: float, end: float | None) -> tuple[list[av.VideoFrame], list[float]]:
    """Frames of the span as decoded (not converted: that is the dear part) with their times."""
    stream = container.streams.video[0]
    stream.thread_count = 1
    if start > 0:
        container.seek(int(start / stream.time_base), stream=stream)
    frames, times = [], []
    for frame in container.decode(stream):
        time = float(frame.time) if frame.time is not None else len(times) / float(stream.average_rate or 25)
        if end is not None and time >= end:
            break
        if time >= start - 1e-6:
            frames.append(frame)
            times.append(time)
    return frames, times


def _convert(frame: av.VideoFrame, size: tuple[int, int]) -> np.ndarray:
    image = frame.to_ndarray(format="rgb24")
    turn = int(frame.rotation) % 360 if frame.rotation else 0
    if turn:
        image = np.rot90(image, turn // 90)
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)


def _decode_audio(container: av.container.InputContainer, start: float, end: float | None, sample_rate: int) -> np.ndarray:
    stream = container.streams.audio[0]
    resampler = av.AudioResampler(format="flt", layout="mono", rate=sample_rate)
    if start > 0:
        container.seek(int(start / stream.time_base), stream=stream)
    parts, first = [], None
    for frame in container.decode(stream):
        time = float(frame.time) if frame.time is not None else 0.0
        if end is not None and time >= end:
            break
        first = time if first is None else first
        parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
    parts += [part.to_ndarray()[0] for part in resampler.resample(None)]
    audio = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    skip = max(0, round((start - (first or 0.0)) * sample_rate))
    length = len(audio) if end is None else round((end - start) * sample_rate)
    return audio[skip : skip + length].astype(np.float32)
