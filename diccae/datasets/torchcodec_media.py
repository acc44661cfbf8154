"""Decoding through torchcodec, which is optional: frames and sound of a span."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from torchcodec.decoders import AudioDecoder, VideoDecoder

from diccae.datasets import containers
from diccae.datasets.clip_files import Stamp, stamp
from diccae.datasets.modalities import Kind
from diccae.datasets.sound_mix import mix
from diccae.sections import Modality

# FFmpeg's names of the containers that torchcodec reads as PyAV does
CONTAINERS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")
# seconds before the end of a span at which its last frame is on screen, at any frame rate
WITHIN = 5e-4


def decode_video(
    path: Path,
    start: float,
    end: float | None,
    num_frames: int,
    size: tuple[int, int],
    modality: Modality,
    only: int | None = None,
) -> containers.VideoSpan | None:
    """Decode the frames of a span; see `media.decode_frames` for the arguments.

    Returns:
        None where the span has no frame.

    Raises:
        MediaError: a stream is missing.
        ValueError: torchcodec cannot decode the file.
    """
    stream, zero = _stream(path, "video", modality)
    try:
        decoder = _video(path, stream)
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
        if only is not None:
            moments = moments[only : only + 1]
        batch = decoder.get_frames_played_at(moments.tolist())
    except (RuntimeError, IndexError) as error:
        raise ValueError(str(error)) from None
    images = [containers.fit(image, size) for image in batch.data.numpy()]
    return containers.VideoSpan(images, stop, last, leaves, len(decoder), leaves <= stop)


def decode_audio(
    path: Path, start: float, end: float | None, sample_rate: int, modality: Modality
) -> np.ndarray:
    """Decode mono sound, float32 (S,), of a span; see `media.decode_sound` for the arguments.

    Raises:
        MediaError: a stream is missing.
        ValueError: torchcodec cannot decode the file.
    """
    stream, zero = _stream(path, "audio", modality)
    try:
        decoder = AudioDecoder(str(path), stream_index=stream, sample_rate=sample_rate)
        samples = decoder.get_samples_played_in_range(
            start + zero, None if end is None else end + zero
        )
    except (RuntimeError, IndexError) as error:
        raise ValueError(str(error)) from None
    skip, length = start + zero - samples.pts_seconds, None if end is None else end - start
    return mix([samples.data.numpy().T], skip, length, sample_rate)


@lru_cache(maxsize=1)
def _takes(path: Path, modality: Modality, _stamp: Stamp) -> bool:
    with containers.open_media(path) as container:
        if container.format.name not in CONTAINERS:
            return False
        video = containers.needed_streams(container, path, modality)["video"]
        index, begins = video.index, video.start_time or 0
        frame = next(container.decode(video), None)
        # some versions turn pictures upright and some do not; colours at the edge of odd sizes
        # differ
        if (
            frame is None
            or frame.width % 2
            or frame.height % 2
            or containers.is_turned(frame)
            or frame.pts != begins
        ):
            return False
    try:
        about = _video(path, index).metadata
    except (RuntimeError, IndexError):
        return False
    # an edit list hides frames that the header counts
    return about.num_frames_from_header in (None, about.num_frames_from_content)


def takes(path: Path, modality: Modality) -> bool:
    """Whether torchcodec gives the same frames as PyAV for a file, as far as is known.

    It does not after a seek in transport and program streams, AVI and FLV, nor in files that were
    cut without decoding (MP4 with an edit list): its frames are then those of another time. Turned
    pictures and odd sizes differ too. Where no picture is asked for, PyAV reads every file.

    Raises:
        MediaError: a stream is missing.
        av.FFmpegError: PyAV cannot decode the file.
    """
    return "V" in modality and _takes(path, modality, stamp(path))


def _video(path: Path, stream: int) -> VideoDecoder:
    return VideoDecoder(
        str(path), stream_index=stream, dimension_order="NHWC", num_ffmpeg_threads=1
    )


def _stream(path: Path, kind: Kind, modality: Modality) -> tuple[int, float]:
    """Index of the video or the audio stream, and the time that counts as 0."""
    with containers.open_media(path) as container:
        stream = containers.needed_streams(container, path, modality)[kind]
        return stream.index, containers.beginning(container)
