"""What both decoders share: files, streams and clocks, resizing of frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from diccae.datasets.modalities import Kind, kinds
from diccae.errors import UserError
from diccae.sections import Modality

# times that differ by less, in seconds, count as equal
CLOSE = 1e-6


class MediaError(UserError):
    """A clip that cannot be used.

    Args:
        path: the file.
        reason: a short name of the reason, by which clips are counted.
        problem: the reason in words, without the file.
    """

    def __init__(self, path: Path | str, reason: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}; replace the file or remove its row from the manifest")
        self.reason, self.problem = reason, problem


@dataclass(frozen=True)
class VideoSpan:
    """The frames of a span of a video stream.

    Attributes:
        images: one upright image, uint8 (H, W, 3), for each part of [start, stop), or for the one
            that was asked for.
        stop: end of the span in seconds.
        last: time of the last decoded frame in seconds.
        leaves: when the last decoded frame leaves the screen, in seconds.
        count: number of decoded frames.
        ended: whether the stream ended before the span.
    """

    images: list[np.ndarray]
    stop: float
    last: float
    leaves: float
    count: int
    ended: bool


def open_media(path: Path) -> av.container.InputContainer:
    """Open a media file.

    A file that is really a play list cannot open network streams; metadata that is not UTF-8 is
    ignored.

    Raises:
        av.FFmpegError: it is no media file.
    """
    return av.open(
        str(path.absolute()), metadata_errors="ignore", options={"protocol_whitelist": "file"}
    )


def first_stream(container: av.container.InputContainer, kind: str) -> av.stream.Stream | None:
    """The first stream of type `kind`, cover pictures left out; None where there is none."""
    return next(
        (stream for stream in container.streams if stream.type == kind and not is_cover(stream)),
        None,
    )


def is_cover(stream: av.stream.Stream) -> bool:
    """Whether a stream is a cover picture."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def needed_streams(
    container: av.container.InputContainer, path: Path, modality: Modality
) -> dict[Kind, Any]:
    """The first video stream, the first audio stream, or both, as `modality` says, by kind.

    Raises:
        MediaError: one is missing, or there is no decoder for it.
    """
    streams: dict[Kind, Any] = {}
    for kind in kinds(modality):
        streams[kind] = first_stream(container, kind)
        if streams[kind] is None:
            raise MediaError(path, f"no_{kind}", f"there is no {kind} stream")
    if any(stream.codec_context is None for stream in streams.values()):
        words = " or its ".join(streams)
        raise MediaError(path, "unreadable", f"there is no decoder for its {words}")
    return streams


def beginning(container: av.container.InputContainer) -> float:
    """Time on the file's clock, in seconds, that counts as 0.

    Transport streams begin at any time; what comes before time 0 is encoder delay.
    """
    return max(0.0, (container.start_time or 0) / av.time_base)


def centres(start: float, stop: float, parts: int) -> np.ndarray:
    """Centres, float64 (parts,), of equal parts of [start, stop)."""
    return start + (np.arange(parts) + 0.5) * (stop - start) / parts


def fit(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize an image (H, W, 3) to `size` (height, width) by area averaging.

    The largest central part with the aspect ratio of `size` is used.
    """
    (height, width), (rows, columns) = size, image.shape[:2]
    keep_rows, keep_columns = (
        min(rows, max(1, round(columns * height / width))),
        min(columns, max(1, round(rows * width / height))),
    )
    top, left = (rows - keep_rows) // 2, (columns - keep_columns) // 2
    part = np.ascontiguousarray(image[top : top + keep_rows, left : left + keep_columns])
    return cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)


def upright(frame: av.VideoFrame) -> np.ndarray:
    """RGB image, uint8 (H, W, 3), rotated and mirrored as the file's display matrix says."""
    # one thread: a frame that is freed in a forked worker would wait for ever for the threads,
    # which exist in the parent process only
    image = frame.to_ndarray(format="rgb24", threads=1)
    a, b, c, d = display_matrix(frame)
    if b:
        image = image.transpose(1, 0, 2)
    return image[:: b + d, :: a + c]


def is_turned(frame: av.VideoFrame) -> bool:
    """Whether the file asks for its picture to be rotated or mirrored."""
    return display_matrix(frame) != (1, 0, 0, 1)


def display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """a, b, c, d of x' = a x + c y, y' = b x + d y (y downwards), rounded to quarter turns."""
    found = frame.side_data.get(av.sidedata.sidedata.Type.DISPLAYMATRIX)
    if found is None:
        return 1, 0, 0, 1
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(found), np.int32)[:5])
    signs = tuple(-1 if value < 0 else 1 for value in (a, b, c, d))
    return (0, signs[1], signs[2], 0) if abs(b) > abs(a) else (signs[0], 0, 0, signs[3])


def check_exists(path: Path) -> None:
    """Check that a file exists and is not empty.

    Raises:
        MediaError: it does not exist or is empty.
    """
    if not path.is_file():
        raise MediaError(path, "missing", "no such file")
    if path.stat().st_size == 0:
        raise MediaError(path, "empty", "the file has no bytes")


def unreadable(path: Path, error: Exception) -> MediaError:
    """The error to raise where a decoder fails with `error`."""
    problem = (
        getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]
    )
    return MediaError(path, "unreadable", f"it cannot be decoded ({problem})")
