"""Ways to load a clip that `loading.py` compares with that of the training pipeline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from unittest import mock

import av
import numpy as np
import torchaudio.compliance.kaldi as kaldi
from loading_decode import CRF, JPEG_QUALITY, Image, frame_at, frame_of_all, intra, jpegs
from loading_files import Case

from diccae.datasets.clips import SAMPLE_RATE, log_mels
from diccae.datasets.containers import centres, fit
from diccae.datasets.media import decode_frames, decode_sound

# half of the span, in seconds, that is decoded for one frame
AROUND = 1e-4
# decoders of FFmpeg that can decode at half the size
LOWRES = ("mpeg4", "mpeg1video", "mpeg2video", "mjpeg", "h263", "msmpeg4v3")
# ways that do not suit every clip
ALL, THREADS = "drawn frame alone, all decoded", "drawn frame alone, all decoded in two threads"
SKIPPING = "the same, without frames that no other refers to"
BEGINNING = "sound decoded from the beginning of the file"


@dataclass(frozen=True)
class Way:
    """A way to load a clip.

    Attributes:
        name: what differs from the pipeline.
        image: row, number of a frame -> uint8 (H, W, 3); None: as in the pipeline, which decodes
            all frames.
        fbank: by row, float16 (frames, n_mels); None: as in the pipeline.
        disk: bytes of a stored clip, by row; None where nothing is stored.
    """

    name: str
    image: Image | None = None
    fbank: Any = None
    disk: Callable[[int], int] | None = None


class OneFrame:
    """Frames of which one alone is decoded: the one that `RandomFrames` draws in this epoch.

    `frames[row]` is uint8 (T, H, W, 3), the same picture at each place.
    """

    def __init__(self, image: Image, dataset: Any, frames: int) -> None:
        self.image, self.dataset, self.frames = image, dataset, frames

    def __getitem__(self, row: int) -> np.ndarray:
        number = drawn(self.dataset, row, int(self.dataset.epoch[0]), self.frames)
        image = self.image(row, number)
        return np.broadcast_to(image, (self.frames, *image.shape))


class Mels:
    """Log-mels by row, of sound that a function reads."""

    def __init__(self, sound: Callable[[int], np.ndarray], settings: dict[str, Any]) -> None:
        self.sound, self.settings = sound, settings

    def __getitem__(self, row: int) -> np.ndarray:
        return log_mels(self.sound(row), self.settings["n_mels"], self.settings["fbank_frames"])


class KeptBanks:
    """Log-mels by row of another cache, with mel banks that are computed once."""

    def __init__(self, fbank: Any) -> None:
        self.fbank, self.banks = fbank, lru_cache(kaldi.get_mel_banks)

    def __getitem__(self, row: int) -> np.ndarray:
        with mock.patch.object(kaldi, "get_mel_banks", self.banks):
            return self.fbank[row]


def drawn(dataset: Any, row: int, epoch: int, frames: int) -> int:
    """The number of the frame that `RandomFrames` draws for one frame of `frames`."""
    rng = np.random.default_rng((dataset.augmentation_seed, epoch, row))
    return int(rng.integers(frames))


def ways(
    cases: list[Case], live: Any, stored: Any, settings: dict[str, Any], folder: Path
) -> list[Way]:
    """All ways; files of those that store clips are written to `folder`."""
    frames, size = settings["num_frames"], (settings["frame_size"],) * 2

    def moment(row: int, number: int) -> float:
        case = cases[row]
        return float(centres(case.start, case.end, frames)[number])

    def seek(row: int, number: int) -> np.ndarray:
        at = moment(row, number)
        span = {"start": at - AROUND, "end": at + AROUND}
        return decode_frames(cases[row].path, **span, num_frames=1, size=size).images[0]

    def of_all(row: int, number: int, threads: int) -> np.ndarray:
        return fit(frame_of_all(cases[row].path, moment(row, number), threads), size)

    def image(row: int, number: int, **options: Any) -> np.ndarray:
        return fit(frame_at(cases[row].path, moment(row, number), **options), size)

    def from_the_beginning(row: int) -> np.ndarray:
        case = cases[row]
        sound = decode_sound(case.path, end=case.end)
        return sound[round(case.start * SAMPLE_RATE) :]

    kept = stored.cache
    as_jpeg, as_video = jpegs(kept.frames, folder), intra(kept.frames, folder)
    mels = kept.fbank[0].nbytes
    found = [
        Way("pipeline of the plan"),
        Way("log-mels with mel banks computed once", fbank=KeptBanks(live.cache.fbank)),
        Way("log-mels stored (float16)", fbank=kept.fbank, disk=lambda row: mels),
        Way(ALL, partial(of_all, threads=1)),
        Way(THREADS, partial(of_all, threads=2)),
        Way("drawn frame alone, sought", seek),
        Way(SKIPPING, partial(image, skip=True)),
        Way(
            "the same, without loop filter",
            partial(image, options={"skip_loop_filter": "all"}),
        ),
        Way("the same, decoded at half the size", partial(image, options={"lowres": "1"})),
        Way("key frame before the drawn frame", partial(image, key=True)),
        Way("drawn frame sought, log-mels stored", seek, kept.fbank, lambda row: mels),
        Way(
            f"224 px as JPEG (quality {JPEG_QUALITY}), log-mels stored",
            as_jpeg[0],
            kept.fbank,
            lambda row: as_jpeg[1](row) + mels,
        ),
        Way(
            f"224 px as H.264 intra (CRF {CRF}), log-mels stored",
            as_video[0],
            kept.fbank,
            lambda row: as_video[1](row) + mels,
        ),
        Way(
            "224 px uncompressed, log-mels stored (cache.mode: stored)",
            lambda row, number: kept.frames[row, number],
            kept.fbank,
            lambda row: kept.frames[row].nbytes + mels,
        ),
    ]
    if any(case.start for case in cases):
        sound = Mels(from_the_beginning, settings)
        found.append(Way(BEGINNING, fbank=sound))
    return found


def suits(way: Way, case: Case) -> bool:
    """Whether a way can be tried on a clip."""
    if "half the size" in way.name:
        with av.open(str(case.path)) as container:
            return container.streams.video[0].codec_context.name in LOWRES
    if way.name in (SKIPPING, ALL, THREADS):
        return case.start == 0 and case.path.suffix != ".avi"
    return case.start > 0 or way.name != BEGINNING
