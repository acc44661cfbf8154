"""MPEG-4 clips of a moving bar and a tone."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def picture(index: int, height: int, width: int) -> np.ndarray:
    """A frame that shows its number: a grey that changes, and a moving bar."""
    image = np.full((height, width, 3), 40 + 7 * index % 180, np.uint8)
    image[:, index % width] = (255, 0, 0)
    return image


def tone(seconds: float, rate: int, channels: int = 1) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    return np.repeat(0.4 * np.sin(2 * np.pi * 440 * time)[None], channels, 0).astype(np.float32)


def write(
    path: Path,
    *,
    seconds: float = 2.0,
    fps: int = 12,
    height: int = 48,
    width: int = 48,
    sound: np.ndarray | None = None,
    rate: int = 16000,
    video: bool = True,
    audio: bool = True,
    options: dict[str, str] | None = None,
    codec: str = "aac",
) -> Path:
    with av.open(str(path), "w", options=options or {}) as container:
        streams = []
        if video:
            stream = container.add_stream("mpeg4", rate=fps)
            stream.width, stream.height, stream.pix_fmt, stream.codec_context.gop_size = (
                width,
                height,
                "yuv420p",
                12,
            )
            stream.bit_rate = 2_000_000
            pictures = [picture(index, height, width) for index in range(round(seconds * fps))]
            streams.append(
                (stream, [av.VideoFrame.from_ndarray(image, format="rgb24") for image in pictures])
            )
        if audio:
            sound = tone(seconds, rate) if sound is None else sound
            layout = "mono" if len(sound) == 1 else "stereo"
            stream = container.add_stream(codec, rate=rate, layout=layout)
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(sound),
                format="flt" if codec != "aac" else "fltp",
                layout=layout,
            )
            frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
            streams.append((stream, [frame]))
        packets = [
            packet
            for stream, frames in streams
            for frame in [*frames, None]
            for packet in stream.encode(frame)
        ]
        # interleaved by time, so that cutting the file cuts both
        for packet in sorted(packets, key=lambda packet: float(packet.dts * packet.time_base)):
            container.mux(packet)
    return path


def everything(path: Path) -> tuple[list[np.ndarray], np.ndarray]:
    with av.open(str(path)) as container:
        decoded = [
            (float(frame.time), frame.to_ndarray(format="rgb24", threads=1))
            for frame in container.decode(video=0)
        ]
    return [image for _, image in decoded], np.array([time for time, _ in decoded])


def all_sound(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
