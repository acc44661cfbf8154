"""How long a sound file says that it is, by which a file that was cut off is found."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

import av

# a program that writes to a pipe does not know the size of a WAV file, and states 0 or the largest
# one that it can
UNKNOWN_SIZE = 2**31 - 2**20
# codes of formats whose samples all have the same size: PCM, float, A-law, mu-law, extensible
UNCOMPRESSED = (1, 3, 6, 7, 0xFFFE)


def stated_seconds(path: Path, container: av.container.InputContainer) -> float | None:
    """Seconds that the header of a FLAC, WAV or MP3 file states; None where it does not say.

    FFmpeg's own length is used where it comes from the header: that of a WAV file is what is left
    of it, and that of an MP3 file without a Xing header an estimate.
    """
    length = container.duration / av.time_base if container.duration else None
    if container.format.name == "flac":
        return length
    with open(path, "rb") as file:
        if container.format.name == "wav":
            return _wav_seconds(file)
        if container.format.name == "mp3" and _has_frame_count(file):
            return length
    return None


def _wav_seconds(file: BinaryIO) -> float | None:
    """By the chunks `fmt ` and `data`."""
    per_second = 0
    file.seek(12)
    while len(head := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        # chunks begin at even places
        following = file.tell() + size + size % 2
        if name == b"fmt ":
            kind, _, rate, _, frame_bytes = struct.unpack("<HHIIH", file.read(14))
            per_second = rate * frame_bytes if kind in UNCOMPRESSED else 0
        if name == b"data":
            return size / per_second if per_second and 0 < size < UNKNOWN_SIZE else None
        file.seek(following)
    return None


def _has_frame_count(file: BinaryIO) -> bool:
    """Whether the first frame of an MP3 file, after its tags, is a Xing header."""
    head = file.read(10)
    if head[:3] == b"ID3":
        size = sum((byte & 0x7F) << (7 * place) for place, byte in enumerate(reversed(head[6:10])))
        file.seek(10 + size)
        head = b""
    start = head + file.read(200)
    return b"Xing" in start or b"Info" in start
