"""Decoding through PyAV: frames and sound of a span."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np

from diccae.datasets.containers import (
    CLOSE,
    VideoSpan,
    beginning,
    centres,
    display_matrix,
    fit,
    needed_streams,
    open_media,
)
from diccae.datasets.modalities import Kind
from diccae.datasets.sound_mix import extend, mix
from diccae.sections import Modality

# seconds of sound that are decoded before a span
RUN_UP = 0.2
# the bits of a frame of an MP3 file may lie in several frames before it, of 72 ms at most
MP3_RUN_UP = 1.0
# bytes of decoded frames to keep while the end of a span is not known
KEPT = 256_000_000


class _Shown(NamedTuple):
    """A decoded frame, and when it is shown: [time, leaves) in seconds."""

    time: float
    leaves: float
    frame: av.VideoFrame | av.AudioFrame


def takes(path: Path, modality: Modality) -> bool:
    """Whether this decoder is used for a file; it is for every one."""
    return True


def decode_video(
    path: Path,
    start: float,
    end: float | None,
    num_frames: int,
    size: tuple[int, int],
    modality: Modality,
) -> VideoSpan | None:
    """Decode the frames of a span; see `media.decode_frames` for the arguments.

    Only the chosen frames are converted to RGB, which takes most of the time.

    Returns:
        None where the span has no frame.

    Raises:
        MediaError: a stream is missing.
        av.FFmpegError: PyAV cannot decode the file.
    """
    stop, kept = (end, None) if end is not None else _to_the_end(path, start, modality)
    moments = centres(start, stop, num_frames).tolist()
    chosen: list[_Shown] = []
    last, count, ended = None, 0, True
    with closing(_on_screen(path, start, modality)) as decoded:
        for shown in decoded if kept is None else kept:
            if end is not None and shown.time >= end:
                ended = False
                break
            # the centres before this frame show the frame that was on screen until now
            while (
                last is not None
                and len(chosen) < num_frames
                and moments[len(chosen)] < shown.time - CLOSE
            ):
                chosen.append(last)
            last, count = shown, count + 1
    # a span after the end of the stream meets only a frame that has left the screen
    if last is None or (ended and count == 1 and last.leaves <= start):
        return None
    chosen += [last] * (num_frames - len(chosen))
    converted = {
        shown.time: fit(upright(shown.frame), size)
        for shown in {shown.time: shown for shown in chosen}.values()
    }
    images = [converted[shown.time] for shown in chosen]
    return VideoSpan(images, stop, last.time, last.leaves, count, ended)


def _to_the_end(path: Path, start: float, modality: Modality) -> tuple[float, list[_Shown] | None]:
    """When the last frame of a file leaves the screen, and the frames.

    The frames are None where they take more than KEPT bytes; they are then decoded again.
    """
    stop, size = start, 0
    kept: list[_Shown] = []
    with closing(_on_screen(path, start, modality)) as decoded:
        for shown in decoded:
            stop = shown.leaves
            size += sum(plane.buffer_size for plane in shown.frame.planes)
            if size > KEPT:
                kept.clear()
            else:
                kept.append(shown)
    return stop, kept if size <= KEPT else None


def _on_screen(path: Path, start: float, modality: Modality) -> Generator[_Shown, None, None]:
    """Frames from the one on screen at `start` onwards."""
    before = None
    for shown in _frames(path, "video", start, 0.0, modality):
        if shown.time <= start + CLOSE:
            before = shown
            continue
        if before is not None:
            yield before
            before = None
        yield shown
    if before is not None:
        yield before


def _frames(
    path: Path, kind: Kind, start: float, run_up: float, modality: Modality
) -> Generator[_Shown, None, None]:
    """Decoded frames in the order of their times, from one at or before `start` if there is one.

    Where seeking ends at a frame that is too late, or whose time is unknown, the target is moved
    further and further back.
    """
    back = run_up
    while True:
        with open_media(path) as container:
            stream = needed_streams(container, path, modality)[kind]
            stream.thread_count = 1
            zero = beginning(container)
            mp3 = container.format.name == "mp3"
            if mp3 and back == run_up:
                back = MP3_RUN_UP
            # seeking to the beginning of an MP3 file would lose the bits of its encoder delay
            sought = start > back or (start > 0 and back == run_up)
            target = zero + max(0.0, start - back)
            try:
                if sought:
                    container.seek(int(target / stream.time_base), stream=stream)
            except av.FFmpegError:
                back = float("inf")
                continue
            found = False
            try:
                for shown in _timed(container, stream, zero, float("nan") if sought else 0.0):
                    if sought and not found and not shown.time <= start + CLOSE:
                        break
                    found = True
                    yield shown
            except av.FFmpegError:
                if found or not sought:
                    raise
                # a program stream can be entered in the middle of a packet of sound
                back = float("inf")
                continue
            if found or not sought:
                return
        back = 4 * back + 1


def _timed(
    container: av.container.InputContainer,
    stream: av.video.stream.VideoStream | av.audio.stream.AudioStream,
    zero: float,
    begins: float,
) -> Generator[_Shown, None, None]:
    """Frames with their times.

    Where a time is missing or does not increase, the frame begins when the one before it leaves
    the screen (at `begins` for the first).
    """
    # AVI has no presentation times, and FFmpeg's are out of order in files with packed B-frames
    by_order = container.format.name == "avi"
    step = 1 / float(stream.average_rate or 25) if stream.type == "video" else 0.0
    time, leaves = float("-inf"), begins
    # one division of integers is correctly rounded, and Fractions are slow
    ticks, per_second = stream.time_base.numerator, stream.time_base.denominator
    for frame in container.decode(stream):
        stamp = frame.dts if by_order and frame.dts is not None else frame.pts
        now = leaves if stamp is None else stamp * ticks / per_second - zero
        time = leaves if now <= time else now
        if stream.type == "audio":
            leaves = time + frame.samples / frame.sample_rate
        else:
            leaves = time + (frame.duration * ticks / per_second if frame.duration else step)
        yield _Shown(time, leaves, frame)


def upright(frame: av.VideoFrame) -> np.ndarray:
    """RGB image, uint8 (H, W, 3), rotated and mirrored as the file's display matrix says."""
    # one thread: a frame that is freed in a forked worker would wait for ever for the threads,
    # which exist in the parent process only
    image = frame.to_ndarray(format="rgb24", threads=1)
    a, b, c, d = display_matrix(frame)
    if b:
        image = image.transpose(1, 0, 2)
    return image[:: b + d, :: a + c]


def decode_audio(
    path: Path, start: float, end: float | None, sample_rate: int, modality: Modality
) -> np.ndarray:
    """Decode mono sound, float32 (S,), of a span; see `media.decode_sound` for the arguments.

    Decoding begins RUN_UP seconds early, because the result of a packet depends on the one before.

    Raises:
        MediaError: a stream is missing.
        av.FFmpegError: PyAV cannot decode the file.
    """
    sounds: list[np.ndarray] = []
    parts: list[Any] = []
    resampler, setup, first = None, None, 0.0
    with closing(_frames(path, "audio", start, RUN_UP, modality)) as decoded:
        for shown in decoded:
            if end is not None and shown.time >= end:
                break
            frame = shown.frame
            # a resampler takes one format only, and streams may change theirs
            found = (frame.format.name, frame.layout.name, frame.sample_rate)
            if resampler is None or found != setup:
                if resampler is None:
                    first = shown.time
                else:
                    sounds.append(_finished(resampler, parts))
                    extend(sounds, round((shown.time - first) * sample_rate))
                parts, setup = [], found
                resampler = av.AudioResampler(format="flt", rate=sample_rate)
            parts += resampler.resample(frame)
    if resampler is not None:
        sounds.append(_finished(resampler, parts))
    return mix(sounds, start - first, None if end is None else end - start, sample_rate)


def _finished(resampler: av.AudioResampler, parts: list[Any]) -> np.ndarray:
    """All samples (S, C) of a resampler that gave `parts` until now."""
    # a resampler that has nothing to do returns its argument, None
    parts = parts + [part for part in resampler.resample(None) if part is not None]
    if not parts:
        return np.zeros((0, 1), np.float32)
    samples = np.concatenate([part.to_ndarray() for part in parts], axis=1)
    return samples.reshape(-1, parts[0].layout.nb_channels)
