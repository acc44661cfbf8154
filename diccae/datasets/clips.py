"""Clips as training reads them: frames and log-mels, stored or decoded on demand.

`stored_clips` and `live_clips` are the two kinds of cache; both use what is defined here.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

import numpy as np
import pandas as pd

from diccae.datasets.containers import MediaError
from diccae.datasets.decoders import Backend
from diccae.datasets.modalities import kinds, way_out
from diccae.digests import file_digest, text_digest
from diccae.errors import UserError
from diccae.sections import Modality
from diccae.stored_file import CACHE_AGAIN, read_json, reading
from diccae.whole_file import whole_file

SAMPLE_RATE = 16000
WINDOW_MS = 25.0
OK = "ok"


class ClipSettings(TypedDict):
    """How clips are decoded.

    Keys:
        frame_size: height and width of a frame in pixels.
        num_frames: frames of a clip.
        n_mels: mel bands of the spectrogram.
        fbank_frames: time frames of the spectrogram.
        decoder: `pyav` or `torchcodec`.
        modality: what a clip must have; the cache holds nothing else.
        format: `jpeg` where a stored cache holds frames as JPEG, absent where it does not.
    """

    frame_size: int
    num_frames: int
    n_mels: int
    fbank_frames: int
    decoder: Backend
    modality: Modality
    format: NotRequired[Literal["jpeg"]]


@dataclass(frozen=True)
class ClipCache:
    """An open cache of N clips.

    Attributes:
        frames: uint8 (N, T, H, W, 3), an array or an object whose rows are `ClipFrames`; None where
            the cache holds no frames.
        fbank: float16 (N, frames, n_mels), an array or an object that is indexed by row; None where
            the cache holds no log-mels.
        index: the manifest with the columns `status`, `message`, `file_sha256` (digest of the
            clip's file when it was decoded) and, in a stored cache, `decoder` (the library that
            decoded it), the checksums of its rows and, with frames as JPEG, where they lie.
        meta: the content of meta.json: settings, counts, statistics and digests.
        checked: names of the arrays whose rows this process has checked.
    """

    frames: Any
    fbank: Any
    index: pd.DataFrame
    meta: dict[str, Any]
    checked: set[str] = field(default_factory=set)


class Span(TypedDict):
    """Seconds from the beginning of a file; an `end` of None is the end of the file."""

    start: float
    end: float | None


def span(start: float, end: float) -> Span:
    """The span of a row of the manifest as the decoder takes it; an `end` of NaN or inf is None."""
    return Span(start=float(start), end=float(end) if math.isfinite(end) else None)


def clip_log_mels(path: Path | str, audio: np.ndarray, settings: ClipSettings) -> np.ndarray:
    """Log-mels, float16 (fbank_frames, n_mels), of the sound (S,) of a clip.

    Raises:
        MediaError: the sound is shorter than one window.
    """
    if len(audio) < SAMPLE_RATE * WINDOW_MS / 1000:
        milliseconds = len(audio) / SAMPLE_RATE * 1000
        words = f"its sound lasts {milliseconds:.0f} ms, {WINDOW_MS:.0f} ms are needed"
        raise MediaError(path, "too_short", words)
    return log_mels(audio, settings["n_mels"], settings["fbank_frames"])


def log_mels(audio: np.ndarray, n_mels: int, frames: int) -> np.ndarray:
    """Log-mel filter banks (Kaldi) of mono 16 kHz audio, in nats.

    Deviation: the paper says nothing about the audio input, and models of its kind take a hop of
    10 ms. Here the hop follows the length of the clip, so that every clip gives `frames` frames:
    with 1,024 frames it is 9.75 ms for a clip of 10 s and 2.9 ms for one of 3 s, so that a frame
    spans another time in each. It is at least 1 ms, and a clip too short for that is padded with
    its smallest value.

    Args:
        audio: (S,) samples in [-1, 1].
        n_mels: mel bins.
        frames: frames of the result.

    Returns:
        (frames, n_mels) in float16.
    """
    import torch
    from torchaudio.compliance.kaldi import fbank

    window_ms = WINDOW_MS
    wave = torch.from_numpy(audio)[None]
    shift = max(1.0, (len(audio) / SAMPLE_RATE * 1000 - window_ms) / (frames - 1))
    features = fbank(
        wave - wave.mean(),
        sample_frequency=SAMPLE_RATE,
        num_mel_bins=n_mels,
        frame_length=window_ms,
        frame_shift=shift,
        dither=0.0,
        window_type="hanning",
    )
    if len(features) < frames:
        features = torch.nn.functional.pad(
            features, (0, 0, 0, frames - len(features)), value=float(features.min())
        )
    return features[:frames].numpy().astype(np.float16)


def check_share(
    manifest: Path, status: pd.DataFrame, max_bad_share: float, modality: Modality
) -> None:
    """Print how many clips cannot be used, and check that they are at most a share.

    Args:
        manifest: named in the error.
        status: `status` and `message` of each clip.
        max_bad_share: in [0, 1].
        modality: what the clips must have.

    Raises:
        UserError: more clips, or all of them, cannot be used (with the reasons).
    """
    bad = status[status["status"] != OK]
    if len(bad) == 0:
        return
    counts = Counter(bad["status"])
    reasons = ", ".join(f"{count} {reason}" for reason, count in counts.most_common(10))
    words = f"{len(bad)} of {len(status)} clips cannot be used"
    first = bad["message"].iloc[0]
    print(f"{words}: {reasons}; first: {first}")
    if counts["missing"] == len(status):
        raise UserError(
            f"{manifest}: none of the files of its {len(status)} clips is there, first: {first}. "
            "Put the folder of the clips back, or, if it was moved, name it in the plan and run "
            "`diccae data manifest` again"
        )
    if len(bad) > max_bad_share * len(status) or len(bad) == len(status):
        lacking = [kind for kind in kinds(modality) if counts[f"no_{kind}"]]
        others = "".join(f"; {way_out(kind)}" for kind in lacking)
        raise UserError(
            f"{manifest}: {words} ({reasons}); first: {first}. "
            f"Repair them, or raise cache.max_bad_share in the plan{others}"
        )


def training_rows(index: pd.DataFrame) -> np.ndarray:
    """Rows of the usable clips of the training splits; of all usable clips if there are none."""
    usable = index["status"] == OK
    training = usable & index["split"].isin(["unlabelled", "train"])
    return np.flatnonzero(training if training.any() else usable)


def fbank_statistics(fbank: Any, rows: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of all values of the log-mels `fbank[row]` of `rows`."""
    totals, count = np.zeros(2), 0
    for start in range(0, len(rows), 1024):
        block = np.stack([fbank[int(row)] for row in rows[start : start + 1024]]).astype(np.float64)
        totals += block.sum(), (block**2).sum()
        count += block.size
    mean = totals[0] / count
    return float(mean), float(np.sqrt(totals[1] / count - mean**2))


def read_index(folder: Path) -> pd.DataFrame:
    """The index of a cache.

    Raises:
        UserError: the file is missing or damaged.
    """
    with reading(folder / "index.parquet", CACHE_AGAIN):
        return pd.read_parquet(folder / "index.parquet")


def write_index(folder: Path, index: pd.DataFrame) -> str:
    """Write index.parquet; returns its SHA-256.

    Raises:
        UserError: the file cannot be written.
    """
    with whole_file(folder / "index.parquet") as temporary:
        index.to_parquet(temporary, index=False)
        return file_digest(temporary)


def write_meta(folder: Path, meta: dict[str, Any]) -> Path:
    """Write meta.json, whose presence says that the cache is complete; returns its path.

    The key `seal` is the digest of all others.

    Raises:
        UserError: the file cannot be written.
    """
    with whole_file(folder / "meta.json") as temporary:
        temporary.write_text(json.dumps({**meta, "seal": _seal(meta)}, indent=1) + "\n")
    return folder / "meta.json"


def read_meta(folder: Path) -> dict[str, Any]:
    """The content of meta.json, without its seal.

    Raises:
        UserError: the file is not what `write_meta` wrote.
    """
    path = folder / "meta.json"
    meta = read_json(path, CACHE_AGAIN)
    seal = meta.pop("seal", None)
    if seal is None:
        raise UserError(f"{path}: it was written by another version; {CACHE_AGAIN}")
    if seal != _seal(meta):
        raise UserError(f"{path}: it was changed after the cache was made; {CACHE_AGAIN}")
    return meta


def modality_of(meta: dict[str, Any]) -> Modality | None:
    """What the clips of a cache have, by its meta.json; None where it does not say."""
    return meta.get("settings", {}).get("modality")


def _seal(meta: dict[str, Any]) -> str:
    return text_digest(json.dumps(meta, sort_keys=True))
