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
from loading_decode import CRF, Image, frame_at, frame_of_all, intra
from loading_files import Case

from diccae.datasets.clip_frames import ClipFrames
from diccae.datasets.clips import SAMPLE_RATE, log_mels
from diccae.datasets.containers import centres, fit
from diccae.datasets.media import decode_sound
from diccae.datasets.packed_frames import QUALITY

# decoders of FFmpeg that can decode at half the size
LOWRES = ("mpeg4", "mpeg1video", "mpeg2video", "mjpeg", "h263", "msmpeg4v3")
# ways that do not suit every clip
ALL, THREADS = "drawn frame alone, all decoded", "drawn frame alone, all decoded in two threads"
BEGINNING = "sound decoded from the beginning of the file"


@dataclass(frozen=True)
class Way:
    """A way to load a clip.

    Attributes:
        name: what differs from the pipeline of the plan.
        frames: by row, uint8 (T, H, W, 3), an array or `ClipFrames`; None: as in the pipeline.
        fbank: by row, float16 (frames, n_mels); None: as in the pipeline.
        disk: bytes of a stored clip, by row; None where nothing is stored.
    """

    name: str
    frames: Any = None
    fbank: Any = None
    disk: Callable[[int], int] | None = None


class AllFrames:
    """All frames of another cache by row, whichever are taken."""

    def __init__(self, frames: Any) -> None:
        self.frames = frames

    def __getitem__(self, row: int) -> np.ndarray:
        return np.asarray(self.frames[row])


class Single:
    """Frames by row that a function reads one by one."""

    def __init__(self, image: Image, count: int) -> None:
        self.image, self.count = image, count

    def __getitem__(self, row: int) -> ClipFrames:
        return ClipFrames(
            self.count, lambda numbers: np.stack([self.image(row, number) for number in numbers])
        )


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


def ways(
    cases: list[Case],
    live: Any,
    stored: Any,
    packed: Any,
    settings: dict[str, Any],
    folder: Path,
) -> list[Way]:
    """All ways, with data sets that decode on access, that are stored, and that are stored as JPEG;
    the files of one more way are written to `folder`."""
    frames, size = settings["num_frames"], (settings["frame_size"],) * 2

    def moment(row: int, number: int) -> float:
        case = cases[row]
        return float(centres(case.start, case.end, frames)[number])

    def of_all(row: int, number: int, threads: int) -> np.ndarray:
        return fit(frame_of_all(cases[row].path, moment(row, number), threads), size)

    def image(row: int, number: int, **options: Any) -> np.ndarray:
        return fit(frame_at(cases[row].path, moment(row, number), **options), size)

    def single(function: Callable[..., np.ndarray], **options: Any) -> Single:
        return Single(partial(function, **options), frames)

    def from_the_beginning(row: int) -> np.ndarray:
        case = cases[row]
        sound = decode_sound(case.path, end=case.end)
        return sound[round(case.start * SAMPLE_RATE) :]

    kept, as_jpeg = stored.cache, packed.cache
    as_video = intra(kept.frames, folder)
    mels = kept.fbank[0].nbytes
    found = [
        Way("all frames decoded", AllFrames(live.cache.frames)),
        Way("pipeline of the plan: drawn frame alone"),
        Way("log-mels with mel banks computed once", fbank=KeptBanks(live.cache.fbank)),
        Way("log-mels stored (float16)", fbank=kept.fbank, disk=lambda row: mels),
        Way(ALL, single(of_all, threads=1)),
        Way(THREADS, single(of_all, threads=2)),
        Way(
            "drawn frame sought, without loop filter",
            single(image, options={"skip_loop_filter": "all"}),
        ),
        Way("drawn frame sought, decoded at half the size", single(image, options={"lowres": "1"})),
        Way("key frame before the drawn frame", single(image, key=True)),
        Way(
            f"224 px as JPEG (quality {QUALITY}), log-mels stored (cache.format: jpeg)",
            as_jpeg.frames,
            as_jpeg.fbank,
            lambda row: len(as_jpeg.frames.records[row]) + mels,
        ),
        Way(
            f"224 px as H.264 intra (CRF {CRF}), log-mels stored",
            single(as_video[0]),
            kept.fbank,
            lambda row: as_video[1](row) + mels,
        ),
        Way(
            "224 px uncompressed, log-mels stored (cache.mode: stored)",
            kept.frames,
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
    if way.name in (ALL, THREADS):
        return case.start == 0 and case.path.suffix != ".avi"
    return case.start > 0 or way.name != BEGINNING
