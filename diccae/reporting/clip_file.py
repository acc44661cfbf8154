"""Clips that play inside the page.

The file itself, where it is small and browsers play it, or else a small copy.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import av

from diccae.reporting.clip_copy import small_copy
from diccae.reporting.pictures import data_uri
from diccae.sections import Modality

# all clips of a page together, in base64, and the largest number of them: one of each of twelve
# classes, and two of each of three kinds of confusable pairs
BYTES, CLIPS = 2_000_000, 18
LARGEST = BYTES // CLIPS // 4 * 3
# of what every browser plays in MP4
PICTURES, SOUNDS = {("h264", "yuv420p")}, {"aac", "mp3"}


def playable(path: Path, clip: Any, modality: Modality) -> str | None:
    """A clip as a data URI; the same file gives the same page.

    It holds the bytes of the file, or of a small copy of its first seconds where the file has more
    than LARGEST bytes, the clip is a part of it, or it is anything but H.264 with AAC or MP3 or
    without sound in MP4.

    Args:
        path: the file.
        clip: its row of the cache index, a mapping that may have `start` and `end` in seconds.
        modality: what the plan asks its clips for; V for copies without sound.

    Returns:
        None where the copy has more than LARGEST bytes too.

    Raises:
        av.FFmpegError: the file cannot be read.
        MediaError: it has no frame in the span.
    """
    if _plays_itself(path, clip):
        return data_uri(path.read_bytes(), "video/mp4")
    copy = small_copy(path, *span_of(clip), modality)
    return data_uri(copy, "video/mp4") if len(copy) <= LARGEST else None


def span_of(clip: Any) -> tuple[float, float]:
    """Start and end in seconds of a clip in its file; the end is infinite where none is stated."""
    start, end = clip.get("start", 0.0), clip.get("end", math.inf)
    return (start if start > 0 else 0.0), (end if end > 0 else math.inf)


def _plays_itself(path: Path, clip: Any) -> bool:
    if path.suffix != ".mp4" or path.stat().st_size > LARGEST:
        return False
    with av.open(str(path)) as container:
        pictures = {
            (s.codec_context.name, s.codec_context.pix_fmt) for s in container.streams.video
        }
        sounds = {stream.codec_context.name for stream in container.streams.audio}
        seconds = (container.duration or 0) / av.time_base
    start, end = span_of(clip)
    whole = start == 0 and end >= seconds - 0.1
    return whole and pictures == PICTURES and sounds <= SOUNDS
