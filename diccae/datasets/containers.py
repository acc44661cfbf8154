"""Media files below the decoders: opening them, their streams and clocks, and what both decoders do to pictures and sound."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

from diccae.errors import UserError

# seconds: times closer than this are equal
CLOSE = 1e-6


class MediaError(UserError):
    """A clip that cannot be used; `reason` is a short word for counting, `words` say more without naming the file."""

    def __init__(self, path: Path | str, reason: str, words: str) -> None:
        super().__init__(f"{path}: {words}; replace the file or take its row out of the manifest")
        self.reason, self.words = reason, words


@dataclass(frozen=True)
class VideoSpan:
    """Images uint8 (H, W, 3), upright, one a part of [start, stop); time of the last frame met; when it leaves the screen; how many were met; whether
    the stream ended before the span did."""

    images: list[np.ndarray]
    stop: float
    last: float
    leaves: float
    count: int
    ended: bool


def open_media(path: Path) -> av.container.InputContainer:
    """Open a file, and only a file: one that is really a play list must not reach for others; tags that are not UTF-8 do no harm."""
    return av.open(
        str(path.absolute()), metadata_errors="ignore", options={"protocol_whitelist": "file"}
    )


def first_stream(container: av.container.InputContainer, kind: str) -> av.stream.Stream | None:
    """The first stream of its kind in the file's own order; a cover picture is no video."""
    return next(
        (stream for stream in container.streams if stream.type == kind and not is_cover(stream)),
        None,
    )


def is_cover(stream: av.stream.Stream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def needed_streams(
    container: av.container.InputContainer, path: Path
) -> tuple[av.video.stream.VideoStream, av.audio.stream.AudioStream]:
    """The first video and the first audio stream.

    Raises:
        MediaError: one is missing, or there is no decoder for it.
    """
    video, audio = first_stream(container, "video"), first_stream(container, "audio")
    if video is None:
        raise MediaError(path, "no_video", "there is no video stream")
    if audio is None:
        raise MediaError(path, "no_audio", "there is no audio stream")
    if video.codec_context is None or audio.codec_context is None:
        raise MediaError(path, "unreadable", "there is no decoder for its video or its audio")
    return video, audio


def beginning(container: av.container.InputContainer) -> float:
    """Seconds on the file's clock that count as 0: transport streams begin anywhere; a start before 0 is a run-up."""
    return max(0.0, (container.start_time or 0) / av.time_base)


def centres(start: float, stop: float, parts: int) -> np.ndarray:
    """Centres (parts,) of equal parts of [start, stop)."""
    return start + (np.arange(parts) + 0.5) * (stop - start) / parts


def fit(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The central part of an image (H, W, 3) that has the shape of `size` (height, width), resized to it by area averaging."""
    (height, width), (rows, columns) = size, image.shape[:2]
    keep_rows, keep_columns = (
        min(rows, max(1, round(columns * height / width))),
        min(columns, max(1, round(rows * width / height))),
    )
    top, left = (rows - keep_rows) // 2, (columns - keep_columns) // 2
    part = np.ascontiguousarray(image[top : top + keep_rows, left : left + keep_columns])
    return cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)


def is_turned(frame: av.VideoFrame) -> bool:
    """Whether the file says that its picture is to be turned or mirrored."""
    return display_matrix(frame) != (1, 0, 0, 1)


def display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """a, b, c, d of x' = a x + c y, y' = b x + d y (y downwards), to quarter turns."""
    found = frame.side_data.get(av.sidedata.sidedata.Type.DISPLAYMATRIX)
    if found is None:
        return 1, 0, 0, 1
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(found), np.int32)[:5])
    signs = tuple(-1 if value < 0 else 1 for value in (a, b, c, d))
    return (0, signs[1], signs[2], 0) if abs(b) > abs(a) else (signs[0], 0, 0, signs[3])


def cut(audio: np.ndarray, skip: float, length: float | None, sample_rate: int) -> np.ndarray:
    """Sound (S,) without its first `skip` seconds (zeros before it where `skip` is negative), at most `length` seconds of it."""
    offset = round(skip * sample_rate)
    if len(audio) and offset < 0:
        audio = np.concatenate([np.zeros(-offset, np.float32), audio])
    audio = audio[max(0, offset) :]
    return audio[: len(audio) if length is None else round(length * sample_rate)].astype(np.float32)
