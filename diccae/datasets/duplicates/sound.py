"""How alike two clips sound, whatever their loudness."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from diccae.datasets.duplicates.alignment import best_correlation

Array = NDArray[np.float32]

STEPS, BANDS = 64, 16
# Nats below the loudest value (39 dB): what is quieter differs between encoders.
FLOOR = 9.0
# Steps over which power is averaged. Many sounds are shorter than a step, and a copy that is
# shifted by a part of a step has them in other proportions.
SMOOTHED = 5
# Steps of the window that each clip is found by, and of those that are searched for: the same
# window up to a quarter of the clip later, and as it is in a clip that lost its first or last
# quarter. A clip that is earlier is found from the other one.
WINDOW = (16, 48)
SEARCHED = ((16, 48), (20, 52), (24, 56), (28, 60), (32, 64), (0, 43), (21, 64))
COEFFICIENTS = 8
# Standard deviation in nats: silence has none, and the faintest noise has 0.3.
LEAST_CHANGE = 0.1


def sound_patch(fbank: NDArray[np.float16]) -> NDArray[np.float16]:
    """What is compared of a sound, float16 (STEPS, BANDS): log power relative to the loudest value.

    Args:
        fbank: log-mels (F, n_mels) in nats.
    """
    levels: Array = fbank.astype(np.float32)
    power = np.exp(levels - levels.max())
    pooled = cv2.resize(power, (BANDS, STEPS), interpolation=cv2.INTER_AREA)
    pooled = cv2.blur(pooled, (1, SMOOTHED), borderType=cv2.BORDER_REPLICATE)
    return np.log(pooled / max(float(pooled.max()), 1e-12) + np.exp(-FLOOR)).astype(np.float16)


def changes(patch: NDArray[np.float16]) -> bool:
    """Whether anything is heard: the levels of a patch change with time."""
    return bool(patch.astype(np.float32).std(axis=0).mean() > LEAST_CHANGE)


def windows(patch: NDArray[np.float16]) -> Array:
    """Descriptors of the parts of a sound, float32 (1 + len(SEARCHED), COEFFICIENTS ** 2), of unit
    length: first that of WINDOW."""
    levels = patch.astype(np.float32)
    return np.stack([_descriptor(levels[start:stop]) for start, stop in (WINDOW, *SEARCHED)])


def _descriptor(levels: Array) -> Array:
    size = WINDOW[1] - WINDOW[0]
    if len(levels) != size:
        resized = cv2.resize(levels, (BANDS, size), interpolation=cv2.INTER_LINEAR)
        levels = resized.astype(np.float32, copy=False)
    # without each band's mean, which the recording device changes, and that of re-encoding
    slow = dct(levels, axis=0, norm="ortho")[1 : COEFFICIENTS + 1]
    kept = dct(slow, axis=1, norm="ortho")[:, :COEFFICIENTS].ravel()
    return np.asarray(kept / max(float(np.linalg.norm(kept)), 1e-6), np.float32)


def sound_similarity(one: NDArray[np.floating], other: NDArray[np.floating]) -> NDArray[np.float64]:
    """Similarity (P,) in [-1, 1] of patches (P, STEPS, BANDS): their best correlation, without the
    mean of each band."""
    first, second = (patch.astype(np.float32) for patch in (one, other))
    return best_correlation(
        first - first.mean(axis=1, keepdims=True), second - second.mean(axis=1, keepdims=True), True
    )
