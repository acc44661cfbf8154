"""Decoding through PyAV: frames and sound of a span."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import av
import numpy as np

from diccae.datasets.containers import (
    CLOSE,
    VideoSpan,
    centres,
    fit,
    upright,
)
from diccae.datasets.frame_alone import frame_alone
from diccae.datasets.sound_mix import extend, mix
from diccae.datasets.timed_frames import Shown, timed_frames
from diccae.sections import Modality

# seconds of sound that are decoded before a span
RUN_UP = 0.2
# seconds between two packets of sound at which something of a file is lost; times are rounded to a
# few milliseconds
GAP = 0.015
# bytes of decoded frames to keep while the end of a span is not known
KEPT = 256_000_000


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
    only: int | None = None,
) -> VideoSpan | None:
    """Decode the frames of a span; see `media.decode_frames` for the arguments.

    Only the chosen frames are converted to RGB, which takes most of the time.

    Returns:
        None where the span has no frame.

    Raises:
        MediaError: a stream is missing.
        av.FFmpegError: PyAV cannot decode the file.
    """
    if only is not None:
        alone = frame_alone(path, start, end, only, num_frames, size, modality)
        if alone is not None:
            return alone
    stop, kept = (end, None) if end is not None else _to_the_end(path, start, modality)
    moments = centres(start, stop, num_frames).tolist()
    chosen: list[Shown] = []
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
            # a picture may end before half of the span
            if only is not None and len(chosen) > only and 2 * shown.time > start + stop:
                ended = False
                break
    # a span after the end of the stream meets only a frame that has left the screen
    if last is None or (ended and count == 1 and last.leaves <= start):
        return None
    chosen += [last] * (num_frames - len(chosen))
    chosen = chosen if only is None else [chosen[only]]
    converted = {
        shown.time: fit(upright(shown.frame), size)
        for shown in {shown.time: shown for shown in chosen}.values()
    }
    images = [converted[shown.time] for shown in chosen]
    return VideoSpan(images, stop, last.time, last.leaves, count, ended)


def _to_the_end(path: Path, start: float, modality: Modality) -> tuple[float, list[Shown] | None]:
    """When the last frame of a file leaves the screen, and the frames.

    The frames are None where they take more than KEPT bytes; they are then decoded again.
    """
    stop, size = start, 0
    kept: list[Shown] = []
    with closing(_on_screen(path, start, modality)) as decoded:
        for shown in decoded:
            stop = shown.leaves
            size += sum(plane.buffer_size for plane in shown.frame.planes)
            if size > KEPT:
                kept.clear()
            else:
                kept.append(shown)
    return stop, kept if size <= KEPT else None


def _on_screen(path: Path, start: float, modality: Modality) -> Generator[Shown, None, None]:
    """Frames from the one on screen at `start` onwards."""
    before = None
    for shown in timed_frames(path, "video", start, 0.0, modality):
        if shown.time <= start + CLOSE:
            before = shown
            continue
        if before is not None:
            yield before
            before = None
        yield shown
    if before is not None:
        yield before


def decode_audio(
    path: Path, start: float, end: float | None, sample_rate: int, modality: Modality
) -> np.ndarray:
    """Decode mono sound, float32 (S,), of a span; see `media.decode_sound` for the arguments.

    Decoding begins RUN_UP seconds early, because the result of a packet depends on the one before.
    Where only sound is asked for, lost packets are replaced by zeros.

    Raises:
        MediaError: a stream is missing.
        av.FFmpegError: PyAV cannot decode the file.
    """
    sounds: list[np.ndarray] = []
    parts: list[Any] = []
    resampler, setup, first, leaves = None, None, 0.0, 0.0
    with closing(timed_frames(path, "audio", start, RUN_UP, modality)) as decoded:
        for shown in decoded:
            if end is not None and shown.time >= end:
                break
            frame = shown.frame
            # a resampler takes one format only, and streams may change theirs
            found = (frame.format.name, frame.layout.name, frame.sample_rate)
            # sound after a gap would come too early
            lost = modality == "A" and shown.time > leaves + GAP
            if resampler is None or found != setup or lost:
                if resampler is None:
                    first = shown.time
                else:
                    sounds.append(_finished(resampler, parts))
                    extend(sounds, round((shown.time - first) * sample_rate))
                parts, setup = [], found
                resampler = av.AudioResampler(format="flt", rate=sample_rate)
            parts += resampler.resample(frame)
            leaves = shown.leaves
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
