"""Clips that play inside the page: the file itself, where it is small and browsers play it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import av

from diccae.reporting.pictures import data_uri

# all clips of a page together, in base64, and the largest number of them: one of each of twelve
# classes, and two of each of three kinds of confusable pairs
BYTES, CLIPS = 2_000_000, 18
LARGEST = BYTES // CLIPS // 4 * 3
# of what every browser plays in MP4
PICTURES, SOUNDS = {("h264", "yuv420p")}, {"aac", "mp3"}


def playable(path: Path, clip: Any) -> str | None:
    """A clip as a data URI that holds the bytes of its file, so that the same file gives the same
    page.

    Args:
        path: the file.
        clip: its row of the cache index, a mapping that may have `start` and `end` in seconds.

    Returns:
        None for a file of more than LARGEST bytes, for a clip that is a part of its file, and for
        anything but H.264 with AAC or MP3 or without sound in MP4.

    Raises:
        av.FFmpegError: the file cannot be read.
    """
    if path.suffix != ".mp4" or path.stat().st_size > LARGEST:
        return None
    with av.open(str(path)) as container:
        pictures = {
            (s.codec_context.name, s.codec_context.pix_fmt) for s in container.streams.video
        }
        sounds = {stream.codec_context.name for stream in container.streams.audio}
        seconds = (container.duration or 0) / av.time_base
    whole = not clip.get("start", 0.0) > 0 and not clip.get("end", math.inf) < seconds - 0.1
    if not whole or pictures != PICTURES or not sounds <= SOUNDS:
        return None
    return data_uri(path.read_bytes(), "video/mp4")
