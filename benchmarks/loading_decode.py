"""Single frames from files as they are, and from files that hold a clip's frames at their final
size; for `loading.py`, with the error of such frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from diccae.datasets.containers import CLOSE, beginning, open_media, upright

CRF = 18
# row, number of a frame -> uint8 (H, W, 3)
Image = Callable[[int, int], np.ndarray]


def frame_error(images: np.ndarray, reference: np.ndarray) -> tuple[float, float, int]:
    """How far images are from those of the reference decoder.

    Args:
        images: uint8 (T, H, W, 3).
        reference: likewise.

    Returns:
        The mean absolute difference in grey levels (0 to 255), the largest difference of a value,
        and the number of the frame whose mean difference is largest (the first of equal ones).
    """
    apart = np.abs(images.astype(np.int16) - reference)
    return float(apart.mean()), float(apart.max()), int(apart.mean(axis=(1, 2, 3)).argmax())


def frame_at(
    path: Path, moment: float, key: bool = False, options: dict[str, str] | None = None
) -> np.ndarray:
    """The frame on screen at a moment, from the key frame before it on.

    Args:
        path: the file.
        moment: in seconds of the file.
        key: take the key frame instead.
        options: of the decoder.
    """
    with open_media(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.options = options or {}
        stream.thread_count = 1
        zero, base = beginning(container), stream.time_base
        # AVI has no presentation times
        by_order = container.format.name == "avi"
        latest = (moment + CLOSE + zero) / base
        if key:
            stream.codec_context.skip_frame = "NONKEY"
        container.seek(int((moment + zero) / base), stream=stream)
        last, now = None, -1
        for frame in container.decode(stream):
            stamp = frame.dts if by_order and frame.dts is not None else frame.pts
            now = now + 1 if stamp is None else stamp
            if now > latest:
                return upright(last or frame)
            last = frame
            if key:
                return upright(frame)
        return upright(last)


def frame_of_all(path: Path, moment: float, threads: int) -> np.ndarray:
    """The frame on screen at a moment, where all frames of the file are decoded.

    Closing a decoder with threads before the end of the file can block for ever.
    """
    with open_media(path) as container:
        stream = container.streams.video[0]
        stream.thread_count, stream.thread_type = threads, "FRAME"
        latest = (moment + CLOSE + beginning(container)) / stream.time_base
        last = None
        for frame in container.decode(stream):
            last = frame if last is None or frame.pts <= latest else last
        return upright(last)


def intra(frames: np.ndarray, folder: Path) -> tuple[Image, Callable[[int], int]]:
    """Stored H.264 without prediction between frames: a function that reads one, and bytes by
    row."""

    def path(row: int) -> Path:
        return folder / f"{row}.mp4"

    for row, clip in enumerate(frames):
        with av.open(str(path(row)), "w") as container:
            video = container.add_stream("libx264", rate=1, options={"crf": str(CRF), "g": "1"})
            video.height, video.width = clip.shape[1:3]
            video.pix_fmt = "yuv420p"
            for image in clip:
                container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(video.encode(None))

    def read(row: int, number: int) -> np.ndarray:
        return frame_at(path(row), number + 0.5, key=True)

    return read, lambda row: path(row).stat().st_size
