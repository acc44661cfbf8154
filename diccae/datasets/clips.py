"""A decoded clip: its frames and its log-mels, and the arrays of them that training reads, stored (`stored_clips`) or decoded on demand (`live_clips`)."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pandas as pd

from diccae.datasets.media import MediaError

SAMPLE_RATE = 16000
WINDOW_MS = 25.0
OK = "ok"


@dataclass(frozen=True)
class ClipCache:
    """frames uint8 (N, T, H, W, 3), fbank float16 (N, frames, n_mels), index: one row a clip with its status, meta: settings and statistics."""

    frames: Any
    fbank: Any
    index: pd.DataFrame
    meta: dict[str, Any]


class Span(TypedDict):
    """Seconds from the beginning of a file; None = to its end."""

    start: float
    end: float | None


def span(start: float, end: float) -> Span:
    """A span of the manifest as the decoder takes it; one whose end is not a number goes to the end of the file."""
    return Span(start=float(start), end=float(end) if math.isfinite(end) else None)


def clip_log_mels(path: Path | str, audio: np.ndarray, settings: dict[str, int]) -> np.ndarray:
    """Log-mels of the sound of a clip in the shape of `settings`.

    Raises:
        MediaError: the sound is shorter than one window.
    """
    if len(audio) < SAMPLE_RATE * WINDOW_MS / 1000:
        milliseconds = len(audio) / SAMPLE_RATE * 1000
        raise MediaError(
            path,
            "too_short",
            f"its sound lasts {milliseconds:.0f} ms, {WINDOW_MS:.0f} ms are needed",
        )
    return log_mels(audio, settings["n_mels"], settings["fbank_frames"])


def log_mels(audio: np.ndarray, n_mels: int, frames: int) -> np.ndarray:
    """Log-mel filter banks (Kaldi) of mono 16 kHz audio, in nats.

    Deviation: the paper says nothing about the audio input, and models of its kind take a hop of
    10 ms. Here the hop follows the length of the clip, so that every clip gives `frames` frames;
    it is at least 1 ms, and a clip too short for that is padded with its smallest value.

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


def training_rows(index: pd.DataFrame) -> np.ndarray:
    """Rows of usable clips that training may see; of all usable clips, if there are none."""
    usable = index["status"] == OK
    training = usable & index["split"].isin(["unlabelled", "train"])
    return np.flatnonzero(training if training.any() else usable)


def fbank_statistics(fbank: Any, rows: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of the log-mels `fbank[row]` of some rows."""
    totals, count = np.zeros(2), 0
    for start in range(0, len(rows), 1024):
        block = np.stack([fbank[int(row)] for row in rows[start : start + 1024]]).astype(np.float64)
        totals += block.sum(), (block**2).sum()
        count += block.size
    mean = totals[0] / count
    return float(mean), float(np.sqrt(totals[1] / count - mean**2))


def write_meta(folder: Path, meta: dict[str, Any]) -> Path:
    """Write `meta.json`, which says that the cache is finished."""
    temporary = folder / ".meta.json.tmp"
    temporary.write_text(json.dumps(meta, indent=1) + "\n")
    os.replace(temporary, folder / "meta.json")
    return folder / "meta.json"
