"""Small copies of clips for a page that cannot hold their files, and still frames of a span."""

from __future__ import annotations

from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from diccae.datasets.containers import MediaError, first_stream, open_media
from diccae.datasets.media import decode_frames, decode_sound
from diccae.sections import Modality

# length in seconds, frames a second, height in pixels and bits a second of a copy
SECONDS, RATE, HEIGHT, BIT_RATE = 5.0, 10, 160, 80_000
SAMPLE_RATE, SOUND_BIT_RATE = 16_000, 32_000
# x264's macroblock tree rounds differently in different processes with AVX-512
SAME_BYTES = {"threads": "1", "x264-params": "mbtree=0"}
QUALITY = {"preset": "slow", "crf": "30", "maxrate": str(BIT_RATE), "bufsize": str(BIT_RATE)}


def still_frames(
    path: Path, start: float, end: float, count: int, height: int
) -> list[NDArray[np.uint8]]:
    """Frames, each uint8 (H, W, 3), at the centres of equal parts of a span.

    Args:
        path: the file.
        start: seconds from the beginning of the file.
        end: the same; infinite or NaN for the end of the file.
        count: number of frames.
        height: largest height in pixels.

    Raises:
        MediaError: the file has no frame in the span.
    """
    rows, columns = _shape(path, height)
    span = decode_frames(
        path,
        start=start,
        end=end if np.isfinite(end) else None,
        num_frames=count,
        size=(rows, columns),
        modality="V",
    )
    return span.images


def small_copy(path: Path, start: float, end: float, modality: Modality) -> bytes:
    """The first SECONDS of a span as an MP4 file of about 60 kB, which every browser plays.

    The same file gives the same bytes.

    Args:
        path: the file.
        start: seconds from the beginning of the file.
        end: the same; infinite or NaN for the end of the file.
        modality: V for pictures alone, otherwise with sound, unless it is silent.

    Raises:
        MediaError: the file has no frame in the span.
    """
    with open_media(path) as container:
        stated = (container.duration or np.inf) / av.time_base
    stop = float(np.fmin(np.fmin(end, start + SECONDS), stated))
    frames = still_frames(path, start, stop, max(1, round((stop - start) * RATE)), HEIGHT)
    sound = None if modality == "V" else _sound(path, start, stop)
    buffer = BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=RATE, options=SAME_BYTES | QUALITY)
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = "yuv420p"
        if sound is not None:
            audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
            audio.bit_rate = SOUND_BIT_RATE
        for image in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(video.encode(None))
        if sound is not None:
            frame = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, 0, Fraction(1, SAMPLE_RATE)
            for part in (frame, None):
                container.mux(audio.encode(part))
    return buffer.getvalue()


def _shape(path: Path, height: int) -> tuple[int, int]:
    """Even height and width of a picture, at most `height` high, in the shape of the file's."""
    with open_media(path) as container:
        stream = first_stream(container, "video")
        if stream is None:
            raise MediaError(path, "no_video", "there is no video stream")
        context = stream.codec_context
        rows, columns = context.height, context.width
    scale = min(1.0, height / rows)
    return max(2, round(rows * scale / 2) * 2), max(2, round(columns * scale / 2) * 2)


def _sound(path: Path, start: float, stop: float) -> NDArray[np.float32] | None:
    try:
        return decode_sound(path, start=start, end=stop, sample_rate=SAMPLE_RATE)
    except MediaError:
        return None
