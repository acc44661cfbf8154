"""Decoding: a span of a media file as evenly spaced frames and mono audio, through PyAV."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

from diccae.structures import UserError

# seconds: times closer than CLOSE are equal; the sound is decoded from RUN_UP before the span
CLOSE = 1e-6
RUN_UP = 0.2


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


def decode_clip(
    path: Path | str,
    *,
    start: float = 0.0,
    end: float | None = None,
    num_frames: int = 16,
    size: tuple[int, int] = (36, 36),
    sample_rate: int = 16000,
) -> DecodedClip:
    """Decode the span [start, end) of a file (seconds; None = to its end).

    Frames are the ones on screen at the centres of `num_frames` equal parts of the span: their central part of the shape of `size` (height, width),
    resized to `size` by area averaging. Audio that begins after `start` is preceded by zeros.

    Raises:
        MediaError: the file is missing, empty, not media, truncated, silent, or lacks a usable video or audio stream in the span.
    """
    path = Path(path)
    if end is not None and end <= start:
        raise MediaError(path, "empty_span", f"the span from {start} s to {end} s is empty")
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
            if any(stream.codec_context is None for stream in (container.streams.video[0], container.streams.audio[0])):
                raise MediaError(path, "unreadable", "there is no decoder for its video or its audio")
            images, times, ended = _decode_video(container, start, end)
        with av.open(str(path)) as container:
            audio = _decode_audio(container, start, end, sample_rate)
    except (av.FFmpegError, ValueError, EOFError) as error:
        raise MediaError(
            path, "unreadable", f"it cannot be decoded ({(str(error).splitlines() or [type(error).__name__])[0]})"
        ) from None
    span = f"between {start} s and {'the end' if end is None else f'{end} s'}"
    if not images:
        raise MediaError(path, "no_video", f"no frame {span}")
    if len(audio) == 0:
        raise MediaError(path, "no_audio", f"no sound {span}")
    if not np.isfinite(audio).all():
        raise MediaError(path, "unreadable", "its sound has values that are not finite")
    if np.abs(audio).max() == 0:
        raise MediaError(path, "silent", "its sound is digital silence")
    stop = end if end is not None else times[-1] + (times[-1] - times[0]) / max(1, len(times) - 1)
    half = start + 0.5 * (stop - start)
    # a single frame from the start on is a still picture, which may well be meant
    if end is not None and ended and times[-1] < half and (len(times) > 1 or times[-1] < start - CLOSE):
        raise MediaError(path, "truncated", f"its video ends at {times[-1]:.2f} s, the manifest says {end:.2f} s")
    if start + len(audio) / sample_rate < half:
        raise MediaError(
            path, "truncated", f"its sound ends at {start + len(audio) / sample_rate:.2f} s, the span at {stop:.2f} s"
        )
    wanted = start + (np.arange(num_frames) + 0.5) * (stop - start) / num_frames
    chosen = np.clip(np.searchsorted(np.asarray(times), wanted, side="right") - 1, 0, len(times) - 1)
    converted = {int(index): _convert(images[index], size) for index in np.unique(chosen)}
    return DecodedClip(np.stack([converted[int(index)] for index in chosen]), audio, stop - start)


def _decode_video(
    container: av.container.InputContainer, start: float, end: float | None
) -> tuple[list[av.VideoFrame], list[float], bool]:
    """Frames from the one on screen at `start`, as decoded (conversion is the dear part); their times; whether the stream ended within the span."""
    stream = container.streams.video[0]
    stream.thread_count = 1
    rate = float(stream.average_rate or 25)
    if start > 0:
        container.seek(int(start / stream.time_base), stream=stream)
    frames, times, ended = [], [], True
    for count, frame in enumerate(container.decode(stream)):
        time = float(frame.time) if frame.time is not None else count / rate
        if end is not None and time >= end:
            ended = False
            break
        if time <= start + CLOSE:
            frames, times = [], []
        frames.append(frame)
        times.append(time)
    # the last frame of a file leaves the screen after its turn
    if ended and len(times) == 1 and times[0] + 1 / rate <= start:
        return [], [], ended
    return frames, times, ended


def _convert(frame: av.VideoFrame, size: tuple[int, int]) -> np.ndarray:
    image = frame.to_ndarray(format="rgb24")
    turn = int(frame.rotation) % 360 if frame.rotation else 0
    if turn:
        image = np.rot90(image, turn // 90)
    (height, width), (rows, columns) = size, image.shape[:2]
    keep_rows, keep_columns = (
        min(rows, max(1, round(columns * height / width))),
        min(columns, max(1, round(rows * width / height))),
    )
    top, left = (rows - keep_rows) // 2, (columns - keep_columns) // 2
    part = np.ascontiguousarray(image[top : top + keep_rows, left : left + keep_columns])
    return cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)


def _decode_audio(
    container: av.container.InputContainer, start: float, end: float | None, sample_rate: int
) -> np.ndarray:
    stream = container.streams.audio[0]
    resampler = av.AudioResampler(format="flt", rate=sample_rate)
    if start > 0:
        # a packet needs the one before it to come out as in an unbroken decoding
        container.seek(int(max(0.0, start - RUN_UP) / stream.time_base), stream=stream)
    parts, first = [], None
    for frame in container.decode(stream):
        time = float(frame.time) if frame.time is not None else 0.0
        if end is not None and time >= end:
            break
        first = time if first is None else first
        parts += [_mono(part) for part in resampler.resample(frame)]
    # a resampler with nothing to do hands the None back
    parts += [_mono(part) for part in resampler.resample(None) if part is not None]
    audio = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    offset = round((start - (first or 0.0)) * sample_rate)
    audio = (
        audio[offset:]
        if offset > 0
        else np.concatenate([np.zeros(-offset, np.float32), audio])
        if len(audio)
        else audio
    )
    length = len(audio) if end is None else round((end - start) * sample_rate)
    return audio[:length].astype(np.float32)


def _mono(frame: av.AudioFrame) -> np.ndarray:
    """The mean of the channels; the resampler's own mono adds them, times 0.7, and leaves [-1, 1]."""
    return frame.to_ndarray().reshape(-1, frame.layout.nb_channels).mean(axis=1)
