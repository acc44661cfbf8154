"""Speed of `decode_clip`, of PyAV used directly, and of the file check, in clips per CPU second.

The clips are encoded by this script. PyAV used directly means: one pass over the file, all frames
of the span decoded, the selected ones converted and resized, audio resampled to 16 kHz. There are
no checks, no spans that start between key frames, and no display matrix. Repeats are interleaved,
and the median is printed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from diccae.datasets.media import decode_clip
from diccae.datasets.probe import probe_clip

FRAMES, SIDE, RATE = 10, 224, 16000
CASES = {
    "2 s, 96x96, 12 fps": (2, 96, 96, 12, 16000),
    "10 s, 340x256, 30 fps": (10, 340, 256, 30, 44100),
    "10 s, 1280x720, 25 fps": (10, 1280, 720, 25, 48000),
}


def encode(path: Path, seconds: int, width: int, height: int, fps: int, rate: int) -> Path:
    """Write an H.264 and AAC clip: a moving texture with some noise, and a sine wave."""
    rng = np.random.default_rng(0)
    texture = cv2.resize(
        rng.integers(0, 256, (40, 60, 3)).astype(np.uint8), (2 * width, 2 * height)
    )
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=fps, options={"preset": "veryfast"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        sound = container.add_stream("aac", rate=rate, layout="stereo")
        for index in range(seconds * fps):
            left, top = (3 * index) % width, (2 * index) % height
            noise = rng.integers(0, 12, (height, width, 1), dtype=np.uint8)
            image = cv2.add(
                texture[top : top + height, left : left + width], np.repeat(noise, 3, 2)
            )
            container.mux(
                video.encode(
                    av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
                )
            )
        wave = 0.4 * np.sin(2 * np.pi * 440 * np.arange(seconds * rate) / rate).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(np.stack([wave, wave]), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        container.mux([*video.encode(None), *sound.encode(frame), *sound.encode(None)])
    return path


def direct(path: Path, seconds: int, fps: int) -> tuple[np.ndarray, np.ndarray]:
    """Decode with PyAV: frames (10, 224, 224, 3) uint8 and mono audio (samples) float32."""
    resampler = av.AudioResampler(format="flt", rate=RATE)
    chosen = [int((number + 0.5) * seconds * fps / FRAMES) for number in range(FRAMES)]
    kept, sound, count = [], [], 0
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        video.thread_count = audio.thread_count = 1
        for packet in container.demux(video, audio):
            for frame in packet.decode():
                if packet.stream is video:
                    if count in chosen:
                        kept.append(frame)
                    count += 1
                else:
                    sound += [part.to_ndarray() for part in resampler.resample(frame)]
    sound += [part.to_ndarray() for part in resampler.resample(None) if part is not None]
    images = [frame.to_ndarray(format="rgb24") for frame in kept]
    side = min(images[0].shape[:2])
    top, left = (images[0].shape[0] - side) // 2, (images[0].shape[1] - side) // 2
    crops = [np.ascontiguousarray(image[top : top + side, left : left + side]) for image in images]
    resized = [cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for crop in crops]
    return np.stack(resized), np.concatenate(sound, axis=1).reshape(-1, 2).mean(axis=1)[
        : seconds * RATE
    ]


def cost(function: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    started = time.process_time()
    function()
    return time.process_time() - started


def main() -> None:
    """Print the speed of the three ways to read a clip, for each kind of clip."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, (seconds, width, height, fps, rate)) in enumerate(CASES.items()):
            path = encode(Path(folder, f"{number}.mp4"), seconds, width, height, fps, rate)
            span = {
                "end": float(seconds),
                "num_frames": FRAMES,
                "size": (SIDE, SIDE),
                "sample_rate": RATE,
            }
            ours, theirs = decode_clip(path, **span), direct(path, seconds, fps)
            assert np.array_equal(ours.frames, theirs[0]), (
                "the two decoders return different frames"
            )
            assert np.allclose(ours.audio[: len(theirs[1])], theirs[1], atol=1e-4), (
                "the two decoders return different audio"
            )
            ways = {
                "decode_clip": lambda path=path, span=span: decode_clip(path, **span),
                "direct": lambda path=path, seconds=seconds, fps=fps: direct(path, seconds, fps),
                "probe": lambda path=path, seconds=seconds: probe_clip(path, 0.0, float(seconds)),
            }
            spent = {way: [] for way in ways}
            for _ in range(repeats):
                for way, function in ways.items():
                    spent[way].append(cost(function))
            middle = {way: statistics.median(times) for way, times in spent.items()}
            print(
                f"{name}: decode_clip {1 / middle['decode_clip']:.1f}, "
                f"PyAV directly {1 / middle['direct']:.1f} clips/s per core, "
                f"ratio {middle['direct'] / middle['decode_clip']:.2f}; "
                f"file check {1 / middle['probe']:.1f}"
            )


if __name__ == "__main__":
    main()
