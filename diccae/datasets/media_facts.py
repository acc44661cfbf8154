"""What a media file says of its streams, without decoding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from diccae.datasets.containers import (
    check_exists,
    first_stream,
    is_cover,
    open_media,
    unreadable,
)


@dataclass(frozen=True)
class MediaFacts:
    """Properties of a file and of its first video and audio stream.

    Attributes:
        duration: seconds; NaN where the file does not say.
        video_streams: number of video streams, cover pictures not counted.
        audio_streams: number of audio streams.
        video_codec: FFmpeg's name of the codec; like all below, empty or 0 without such a stream.
        width: pixels.
        height: pixels.
        fps: average number of frames per second.
        audio_codec: FFmpeg's name of the codec.
        sample_rate: samples per second.
        channels: number of audio channels.
    """

    duration: float
    video_streams: int
    audio_streams: int
    video_codec: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    audio_codec: str = ""
    sample_rate: int = 0
    channels: int = 0


def describe(path: Path | str) -> MediaFacts:
    """Read the properties of a file from its headers.

    Raises:
        MediaError: the file is missing, empty or no media file.
    """
    path = Path(path)
    check_exists(path)
    try:
        with open_media(path) as container:
            video, audio = first_stream(container, "video"), first_stream(container, "audio")
            facts: dict[str, Any] = {
                "duration": container.duration / av.time_base
                if container.duration
                else float("nan"),
                "video_streams": sum(not is_cover(stream) for stream in container.streams.video),
                "audio_streams": len(container.streams.audio),
            }
            if video is not None and video.codec_context is not None:
                facts |= {
                    "video_codec": video.codec_context.name,
                    "width": video.width,
                    "height": video.height,
                }
                facts |= {"fps": float(video.average_rate or 0)}
            if audio is not None and audio.codec_context is not None:
                facts |= {
                    "audio_codec": audio.codec_context.name,
                    "sample_rate": audio.sample_rate or 0,
                }
                facts |= {"channels": audio.channels or 0}
            return MediaFacts(**facts)
    except (av.FFmpegError, ValueError, EOFError) as error:
        raise unreadable(path, error) from None
