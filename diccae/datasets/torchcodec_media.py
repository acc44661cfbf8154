"""Decoding through torchcodec, which is optional: frames and sound of a span."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torchcodec.decoders import AudioDecoder, VideoDecoder

from diccae.datasets import containers, pyav_media

# seconds before the end of a span at which its last frame is on screen, at any frame rate
WITHIN = 5e-4


def decode_video(
    path: Path, start: float, end: float | None, num_frames: int, size: tuple[int, int]
) -> containers.VideoSpan | None:
    """Decode the frames of a span; see `media.decode_frames` for the arguments.

    Files for which torchcodec is known to give other frames than PyAV are decoded by PyAV.

    Returns:
        None where the span has no frame.

    Raises:
        MediaError: a stream is missing.
        ValueError: torchcodec cannot decode the file.
    """
    stream, _, zero, differs = _streams(path)
    if differs:
        return pyav_media.decode_video(path, start, end, num_frames, size)
    try:
        decoder = VideoDecoder(
            str(path), stream_index=stream, dimension_order="NHWC", num_ffmpeg_threads=1
        )
        about = decoder.metadata
        first, leaves = about.begin_stream_seconds - zero, about.end_stream_seconds - zero
        stop = leaves if end is None else end
        if leaves <= start or first >= stop:
            return None
        last = (
            decoder.get_frame_played_at(max(first, min(stop, leaves) - WITHIN) + zero).pts_seconds
            - zero
        )
        moments = (
            np.clip(
                containers.centres(start, stop, num_frames) + containers.CLOSE,
                first,
                max(first, leaves - WITHIN),
            )
            + zero
        )
        batch = decoder.get_frames_played_at(moments.tolist())
    except (RuntimeError, IndexError) as error:
        raise ValueError(str(error)) from None
    images = [containers.fit(image, size) for image in batch.data.numpy()]
    return containers.VideoSpan(images, stop, last, leaves, len(decoder), leaves <= stop)


def decode_audio(path: Path, start: float, end: float | None, sample_rate: int) -> np.ndarray:
    """Decode mono sound, float32 (S,), of a span; see `media.decode_sound` for the arguments.

    Raises:
        MediaError: a stream is missing.
        ValueError: torchcodec cannot decode the file.
    """
    _, stream, zero, _ = _streams(path)
    try:
        decoder = AudioDecoder(str(path), stream_index=stream, sample_rate=sample_rate)
        samples = decoder.get_samples_played_in_range(
            start + zero, None if end is None else end + zero
        )
    except (RuntimeError, IndexError) as error:
        raise ValueError(str(error)) from None
    skip, length = start + zero - samples.pts_seconds, None if end is None else end - start
    return containers.mix([samples.data.numpy().T], skip, length, sample_rate)


def _streams(path: Path) -> tuple[int, int, float, bool]:
    """Indices of the video and the audio stream, the time that counts as 0, and whether torchcodec
    is known to give other frames than PyAV.

    Some versions turn pictures upright and some do not; colours at the edge of odd sizes differ;
    seeking in AVI and transport streams is not exact.
    """
    with containers.open_media(path) as container:
        video, audio = containers.needed_streams(container, path)
        zero, kind = containers.beginning(container), container.format.name
        frame = next(container.decode(video), None)
        odd = frame is not None and (
            frame.width % 2 or frame.height % 2 or containers.is_turned(frame)
        )
        return video.index, audio.index, zero, bool(odd) or kind in ("avi", "mpegts")
