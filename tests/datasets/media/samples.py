"""Media files of any codec, layout and timing, and what a full decode shows of them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from diccae.datasets.containers import MediaError
from diccae.datasets.media import decode_clip
from diccae.errors import UserError


def can_encode(name: str) -> bool:
    try:
        av.codec.Codec(name, "w")
    except av.codec.codec.UnknownCodecError:
        return False
    return True


def picture(index: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """A frame of large patches that no other index has, bright at the top and dark at the left."""
    patches = np.random.default_rng([seed, index]).integers(60, 200, (6, 8, 3)).astype(np.uint8)
    image = cv2.resize(patches, (width, height), interpolation=cv2.INTER_NEAREST)
    image[: height // 6], image[:, : width // 8] = 255, 0
    return image


def sine(seconds: float, rate: int, channels: int = 1, hertz: float = 440.0) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    return np.repeat(0.4 * np.sin(2 * np.pi * hertz * time)[None], channels, 0).astype(np.float32)


LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


def write(
    path: Path,
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    fps: int = 25,
    pts: list[int] | None = None,
    size: tuple[int, int] = (48, 64),
    options: dict[str, str] | None = None,
    turn: tuple[int, bool, bool] | None = None,
    sounds: tuple[np.ndarray, ...] | None = None,
    sound_codec: str = "aac",
    rate: int = 16000,
    late: float = 0.0,
    videos: int = 1,
    draw: Callable[[int], np.ndarray] | None = None,
    muxer: dict[str, str] | None = None,
) -> Path:
    """Encode frames that show their number, with sound.

    The frames are at `pts` (in units of 1 / fps seconds, default 0 to 49), the `sounds` of
    (channels, samples) begin at `late` seconds.
    """
    pts = list(range(50)) if pts is None else pts
    sounds = (sine(2.0, rate),) if sounds is None else sounds
    height, width = size
    with av.open(str(path), "w", options=muxer) as container:
        streams = []
        for number in range(videos):
            stream = container.add_stream(codec, rate=fps, options={"g": "12"} | (options or {}))
            stream.width, stream.height, stream.pix_fmt = width, height, pixels
            stream.time_base = stream.codec_context.time_base = Fraction(1, fps)
            stream.codec_context.thread_count = 1
            if turn:
                stream.set_display_rotation(turn[0], hflip=turn[1], vflip=turn[2])
            frames = []
            for index, stamp in enumerate(pts):
                image = draw(index) if draw else picture(index, height, width, number)
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = stamp, Fraction(1, fps)
                frames.append(frame)
            streams.append((stream, frames))
        for sound in sounds:
            stream = container.add_stream(sound_codec, rate=rate, layout=LAYOUTS[len(sound)])
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(sound), format="fltp", layout=LAYOUTS[len(sound)]
            )
            frame.sample_rate, frame.pts, frame.time_base = (
                rate,
                round(late * rate),
                Fraction(1, rate),
            )
            convert = av.AudioResampler(
                format=stream.codec_context.format, layout=LAYOUTS[len(sound)], rate=rate
            )
            streams.append((stream, [*convert.resample(frame)]))
        packets = [
            packet
            for stream, frames in streams
            for frame in [*frames, None]
            for packet in stream.encode(frame)
        ]
        for packet in sorted(packets, key=lambda packet: float(packet.dts * packet.time_base)):
            container.mux(packet)
    return path


def cut(source: Path, path: Path, seconds: float) -> Path:
    """A copy of a file without its first `seconds`, cut without decoding: an edit list hides the
    frames between the key frame and the cut."""
    with av.open(str(source)) as whole, av.open(str(path), "w") as part:
        streams = [part.add_stream_from_template(stream) for stream in whole.streams]
        whole.seek(round(seconds * av.time_base))
        for packet in whole.demux():
            if packet.dts is not None:
                shift = round(seconds / packet.time_base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = streams[packet.stream.index]
                part.mux(packet)
    return path


def everything(path: Path, stream: int = 0) -> tuple[list[np.ndarray], np.ndarray]:
    """All frames as RGB, and their times from the beginning of the file."""
    with av.open(str(path)) as container:
        zero = max(0, container.start_time) / av.time_base
        frames = [
            (float(frame.time) - zero, frame.to_ndarray(format="rgb24", threads=1))
            for frame in container.decode(video=stream)
        ]
    return [image for _, image in frames], np.array([time for time, _ in frames])


def shown(images: list[np.ndarray], times: np.ndarray, moment: float) -> np.ndarray:
    return images[max(0, np.flatnonzero(times <= moment + 1e-7).max(initial=0))]


def agrees(path: Path, start: float, end: float, parts: int = 5, **settings: object) -> None:
    """What decode_clip gives for a span is what a full decode shows at the centres of its parts."""
    images, times = everything(path)
    height, width = images[0].shape[:2]
    clip = decode_clip(
        path, start=start, end=end, num_frames=parts, size=(height, width), **settings
    )
    for number, frame in enumerate(clip.frames):
        moment = start + (number + 0.5) * (end - start) / parts
        assert np.array_equal(frame, shown(images, times, moment)), (
            f"{path.name}, frame {number}, {moment} s"
        )


def loudest(audio: np.ndarray, rate: int = 16000) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(audio)))) * rate / len(audio)


def refused(path: Path, reason: str, words: str, **settings: object) -> None:
    with pytest.raises(UserError) as caught:
        decode_clip(path, **settings)
    assert isinstance(caught.value, MediaError)
    assert caught.value.reason == reason
    assert words in caught.value.problem
    assert (
        str(caught.value)
        == f"{path}: {caught.value.problem}; replace the file or remove its row from the manifest"
    )
