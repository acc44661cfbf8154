"""Clips for `loading.py`: files cut and encoded as VGGSound's are, and caches of them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import numpy as np
import pandas as pd
from mmengine.config import ConfigDict

from diccae.datasets.clip_cache import build_cache
from diccae.planning.synthetic_clips import synthetic_dataset

RATE = 44100


class Case(NamedTuple):
    """A clip: its name in the tables, and [start, end) of a file in seconds."""

    name: str
    path: Path
    start: float
    end: float


def case_of(path: Path, start: float = 0.0, seconds: float = 10.0) -> Case:
    """A span of a file, at most to its end; the name tells size, rate, codec and key frames."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        end = min(start + seconds, (container.duration or 0) / av.time_base)
        name = (
            f"{path.name}: {end - start:.0f} s, {video.width}x{video.height}, "
            f"{float(video.average_rate or 0):.4g} fps, {video.codec_context.name}"
        )
        # AVI has no presentation times
        stamps = [
            packet.dts if packet.pts is None else packet.pts
            for packet in container.demux(video)
            if packet.is_keyframe
        ]
        times = [float(stamp * video.time_base) for stamp in stamps if stamp is not None]
    inside = sum(start <= time < end for time in times)
    return Case(f"{name}, key frames: {inside}", path, start, end)


def like_vggsound(picture: Path, sound: Path, folder: Path) -> list[Case]:
    """The picture of one file and the sound of another, encoded as VGGSound's clips are usually
    cut: x264 with its defaults, 10 s; and a span of a longer file."""
    cases = []
    for width, height, fps, seconds in ((340, 256, 30, 10), (640, 360, 25, 10), (340, 256, 30, 60)):
        path = folder / f"{width}x{height} of {seconds} s.mp4"
        _encode(picture, sound, path, (width, height), fps, seconds)
        cases.append(case_of(path, start=25.0 if seconds > 10 else 0.0))
    return cases


def _encode(
    picture: Path, sound: Path, path: Path, size: tuple[int, int], fps: int, seconds: int
) -> None:
    """H.264 (x264, medium, CRF 23) and AAC; the picture runs back and forth, the sound repeats."""
    with av.open(str(picture)) as container:
        rate = float(container.streams.video[0].average_rate or fps)
        images = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    images += images[-2:0:-1]
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=fps)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        track = container.add_stream("aac", rate=RATE, layout="stereo")
        for number in range(seconds * fps):
            image = images[int(number * rate / fps) % len(images)]
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        wave = np.resize(_samples(sound), (seconds * RATE, 2)).T
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(wave), format="fltp", layout="stereo"
        )
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        container.mux([*video.encode(None), *track.encode(frame), *track.encode(None)])


def _samples(path: Path) -> np.ndarray:
    """Stereo sound (S, 2) of a file."""
    resampler = av.AudioResampler(format="fltp", layout="stereo", rate=RATE)
    with av.open(str(path)) as container:
        parts = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
        return np.concatenate([part.to_ndarray() for part in parts], axis=1).T


def datasets(
    cases: list[Case], folder: Path, settings: dict[str, Any], config: ConfigDict
) -> tuple[Any, Any, Any]:
    """The training data set of a run over some clips: decoded on access, stored, and stored with
    frames as JPEG.

    Args:
        cases: a clip for each row.
        folder: a new folder for manifest and caches.
        settings: the section `cache` of the plan.
        config: the run's config of the data set.
    """
    rows = pd.DataFrame(
        {
            "id": [str(number) for number in range(len(cases))],
            "path": [str(case.path.absolute()) for case in cases],
            "start": [case.start for case in cases],
            "end": [case.end for case in cases],
            "label": 0,
            "label_name": "0",
            "split": "train",
            "source": "",
            "group": [str(number) for number in range(len(cases))],
        }
    )
    folder.mkdir()
    rows.to_parquet(folder / "manifest.parquet")

    def made(mode: str, form: str) -> Any:
        kept = {**settings, "mode": mode, "format": form, "max_bad_share": 0.0}
        out = folder / f"{mode}-{form}"
        build_cache(folder / "manifest.parquet", out, **kept, jobs=1, progress=False)
        return synthetic_dataset(config, out)

    return made("live", "raw"), made("stored", "raw"), made("stored", "jpeg")
