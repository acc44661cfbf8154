"""One frame of a span alone, decoded from the last key frame before it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import av

from diccae.datasets.containers import (
    CLOSE,
    VideoSpan,
    beginning,
    centres,
    fit,
    needed_streams,
    open_media,
    upright,
)
from diccae.sections import Modality


class _Packet(NamedTuple):
    """A frame that is not decoded: its time stamp and duration, whether it is a key frame, and
    whether it is shown at all."""

    stamp: int
    duration: int
    key: bool
    shown: bool


class _Found(NamedTuple):
    """A frame, the key frame before it (a time stamp), and where the span stops, in seconds."""

    packet: _Packet
    key: int
    stop: float


class _Clock:
    """Seconds of time stamps, by the same operations as in `timed_frames`."""

    def __init__(self, container: Any, stream: Any) -> None:
        self.zero, self.step = beginning(container), 1 / float(stream.average_rate or 25)
        self.ticks, self.per_second = stream.time_base.numerator, stream.time_base.denominator

    def time(self, stamp: float) -> float:
        return stamp * self.ticks / self.per_second - self.zero

    def leaves(self, packet: _Packet) -> float:
        duration = packet.duration * self.ticks / self.per_second
        return self.time(packet.stamp) + (duration if packet.duration else self.step)


def frame_alone(
    path: Path,
    start: float,
    end: float | None,
    number: int,
    num_frames: int,
    size: tuple[int, int],
    modality: Modality,
) -> VideoSpan | None:
    """Decode frame `number` of the frames of a span; see `media.decode_frames` for the arguments.

    First, packets are read, which takes little. Where they say that decoding the whole span gives
    the same frame, decoding begins at the key frame before it.

    Returns:
        None where they do not: time stamps are missing or out of order, as in AVI files; no key
        frame comes before; or the file ends before the frame or half of the span is over.

    Raises:
        MediaError: a stream is missing.
        av.FFmpegError: PyAV cannot open the file.
    """
    with open_media(path) as container:
        stream = needed_streams(container, path, modality)["video"]
        stream.thread_count = 1
        clock = _Clock(container, stream)
        try:
            found = _find(container, stream, clock, start, end, number, num_frames)
            frame = None if found is None else _decode(container, stream, found)
        except av.FFmpegError:
            return None
        if found is None or frame is None:
            return None
        image, time = fit(upright(frame), size), clock.time(found.packet.stamp)
        return VideoSpan([image], found.stop, time, clock.leaves(found.packet), 1, ended=False)


def _find(
    container: Any,
    stream: Any,
    clock: _Clock,
    start: float,
    end: float | None,
    number: int,
    num_frames: int,
) -> _Found | None:
    """The frame that is on screen at the centre of a part of a span, without decoding."""
    until = math.inf
    if end is not None:
        # a picture that ends before half of the span is an error
        until = max(float(centres(start, end, num_frames)[number]), (start + end) / 2)
    packets = _packets(container, stream, clock, start, until)
    shown = {packet.stamp: packet for packet in packets if packet.shown}
    last = shown[max(shown)] if shown else None
    if last is None or (end is not None and clock.time(last.stamp) <= until + CLOSE):
        return None
    stop = clock.leaves(last) if end is None else end
    moment = float(centres(start, stop, num_frames)[number])
    stamp = max((each for each in shown if not moment < clock.time(each) - CLOSE), default=None)
    if stamp is None or stop <= start:
        return None
    before = packets[: packets.index(shown[stamp]) + 1]
    keys = [packet.stamp for packet in before if packet.key and packet.stamp <= stamp]
    return _Found(shown[stamp], max(keys), stop) if keys else None


def _packets(
    container: Any, stream: Any, clock: _Clock, start: float, until: float
) -> list[_Packet]:
    """Packets of a stream in the order of decoding, from where a span is entered; those that are
    left out are shown after `until` (in seconds).

    Empty where the time stamps do not tell when a frame is shown, or where decoding would begin
    after the span does.
    """
    # these have no presentation times
    if container.format.name == "avi":
        return []
    if start > 0:
        container.seek(int((clock.zero + start) / stream.time_base), stream=stream)
    found: list[_Packet] = []
    stamps: set[int] = set()
    latest = -math.inf
    for packet in container.demux(stream):
        # an empty packet marks the end
        if packet.size == 0:
            break
        stamp, decoded = packet.pts, latest if packet.dts is None else packet.dts
        if (
            stamp is None
            or stamp in stamps
            or not latest <= decoded <= stamp
            or packet.is_corrupt
            # the format changes
            or packet.has_sidedata("new_extradata")
        ):
            return []
        stamps.add(stamp)
        latest = decoded
        found.append(
            _Packet(stamp, packet.duration or 0, packet.is_keyframe, not packet.is_discard)
        )
        # no frame is shown before it is decoded
        if clock.time(latest) > until + CLOSE:
            break
    if start > 0 and found:
        early = found[0].key and clock.time(found[0].stamp) <= start + CLOSE
        return found if early else []
    return found


def _decode(container: Any, stream: Any, found: _Found) -> av.VideoFrame | None:
    """The frame that was found.

    None where it does not come in its turn, or the decoder does not take the first one for a key
    frame.
    """
    container.seek(found.key, stream=stream)
    context = stream.codec_context
    entered, whole = False, False
    for packet in container.demux(stream):
        entered = entered or packet.pts == found.key
        if not entered:
            # seeking went too far
            if packet.size == 0 or (packet.pts is not None and packet.pts > found.key):
                return None
            continue
        if context.name == "h264":
            # frames between that no other refers to
            needed = packet.pts in (found.key, found.packet.stamp)
            context.skip_frame = "DEFAULT" if needed else "NONREF"
        for frame in packet.decode():
            whole = whole or (frame.pts == found.key and frame.key_frame)
            if frame.pts == found.packet.stamp:
                return frame if whole and not frame.is_corrupt else None
            if frame.pts is None or frame.pts > found.packet.stamp:
                return None
    return None
