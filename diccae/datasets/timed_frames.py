"""Decoded frames of a stream with their times, from a moment of the file on."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import NamedTuple

import av

from diccae.datasets.containers import CLOSE, beginning, needed_streams, open_media
from diccae.datasets.modalities import Kind
from diccae.sections import Modality

# the bits of a frame of an MP3 file may lie in several frames before it, of 72 ms at most
MP3_RUN_UP = 1.0


class Shown(NamedTuple):
    """A decoded frame, and when it is shown: [time, leaves) in seconds."""

    time: float
    leaves: float
    frame: av.VideoFrame | av.AudioFrame


def timed_frames(
    path: Path, kind: Kind, start: float, run_up: float, modality: Modality
) -> Generator[Shown, None, None]:
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
            if back == run_up:
                # seeking to the beginning of an MP3 file would lose the bits of its encoder delay
                back = MP3_RUN_UP if container.format.name == "mp3" else back
                back = float("inf") if _is_counted(container, stream) else back
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
) -> Generator[Shown, None, None]:
    """Frames with their times.

    Where a time is missing or does not increase, the frame begins when the one before it leaves
    the screen (at `begins` for the first).
    """
    # AVI has no presentation times, and FFmpeg's are out of order in files with packed B-frames
    by_order = container.format.name == "avi"
    counted = _is_counted(container, stream)
    step = 1 / float(stream.average_rate or 25) if stream.type == "video" else 0.0
    time, leaves = float("-inf"), begins
    # one division of integers is correctly rounded, and Fractions are slow
    ticks, per_second = stream.time_base.numerator, stream.time_base.denominator
    for frame in _decoded(container, stream):
        stamp = frame.dts if by_order and frame.dts is not None else frame.pts
        now = leaves if stamp is None or counted else stamp * ticks / per_second - zero
        time = leaves if now <= time else now
        if stream.type == "audio":
            leaves = time + frame.samples / frame.sample_rate
        else:
            leaves = time + (frame.duration * ticks / per_second if frame.duration else step)
        yield Shown(time, leaves, frame)


def _is_counted(
    container: av.container.InputContainer,
    stream: av.video.stream.VideoStream | av.audio.stream.AudioStream,
) -> bool:
    """Whether times come from counting samples: those of compressed WAV files are estimates."""
    return container.format.name == "wav" and not stream.codec_context.name.startswith("pcm_")


def _decoded(
    container: av.container.InputContainer,
    stream: av.video.stream.VideoStream | av.audio.stream.AudioStream,
) -> Iterator[av.VideoFrame | av.AudioFrame]:
    """Frames in the order of decoding; an MP3 file may end in tags and other bytes that are no
    sound."""
    if container.format.name != "mp3":
        yield from container.decode(stream)
        return
    failed: av.FFmpegError | None = None
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.FFmpegError as error:
            failed = failed or error
            continue
        if frames and failed:
            raise failed
        yield from frames
