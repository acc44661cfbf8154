"""What the search for near-duplicates compares of the clips of a cache or of stored features."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from diccae.datasets.clip_cache import load_cache
from diccae.datasets.duplicates import picture, sound
from diccae.datasets.duplicates.search import Likeness
from diccae.datasets.modalities import arrays_of
from diccae.datasets.worker_pool import in_processes
from diccae.sections import Modality

Rows = NDArray[np.int64]
CHUNK = 256


@dataclass
class SoundLikeness:
    """Sounds by their log-mels; `patches` is float16 (N, STEPS, BANDS)."""

    patches: NDArray[np.float16]
    descriptors: NDArray[np.float32]
    clear: NDArray[np.bool_]
    letter: Modality = "A"
    least: float = 0.65
    # The largest difference of a copy, chosen on planted copies; benchmarks/RESULTS.md has what
    # clips of another seed gave.
    unit: float = 0.25

    def similarity(self, one: Rows, other: Rows) -> NDArray[np.float64]:
        """Similarity (P,) of pairs of clips."""
        return sound.sound_similarity(self.patches[one], self.patches[other])


@dataclass
class PictureLikeness:
    """Pictures by their frames, which `read` returns for the number of a clip, and their median
    frames, uint8 (N, H, W, 3)."""

    stills: NDArray[np.uint8]
    read: Callable[[int], NDArray[np.uint8]]
    descriptors: NDArray[np.float32]
    clear: NDArray[np.bool_]
    letter: Modality = "V"
    least: float = 0.8
    # see SoundLikeness
    unit: float = 0.05

    def similarity(self, one: Rows, other: Rows) -> NDArray[np.float64]:
        """Similarity (P,) of pairs of clips."""
        # the first clip of neighbouring pairs is the same
        read = lru_cache(maxsize=64)(self.read)
        pairs = zip(one.tolist(), other.tolist(), strict=True)
        found = [
            picture.picture_similarity(read(i), read(j), (self.stills[i], self.stills[j]))
            for i, j in pairs
        ]
        return np.array(found, np.float64)


@dataclass
class VectorLikeness:
    """Stored features by the cosine of their means over time and patches."""

    letter: Modality
    descriptors: NDArray[np.float32]
    clear: NDArray[np.bool_]
    least: float = 0.9
    # Which difference a copy has depends on the encoder. This was not chosen on copies.
    unit: float = 0.04

    def similarity(self, one: Rows, other: Rows) -> NDArray[np.float64]:
        """Similarity (P,) of pairs of clips."""
        vectors = self.descriptors[:, 0]
        products = np.einsum("pd,pd->p", vectors[one], vectors[other])
        return np.minimum(products, 1).astype(np.float64)


def likenesses(folder: Path, rows: Rows, modality: Modality, jobs: int = 1) -> list[Likeness]:
    """What is compared of some clips, sound before pictures.

    Args:
        folder: a clip cache, or stored features.
        rows: (N,) rows of its index.
        modality: what is compared.
        jobs: number of processes that decode, where the cache does not store the clips decoded.

    Raises:
        UserError: the folder is incomplete or damaged, or lacks a modality.
    """
    cache = load_cache(folder)
    mode = cache.meta.get("mode", "stored")
    if mode == "features":
        names: dict[Modality, str] = {"A": "audio", "V": "video"}
        asked = [letter for letter in names if letter in modality]
        cache = load_cache(folder, [names[letter] for letter in asked])
        arrays = {"A": cache.fbank, "V": cache.frames}
        return [_vectors(letter, arrays[letter], rows) for letter in asked]
    described = _describe(folder, rows, modality, jobs if mode == "live" else 1)
    found: list[Likeness] = []
    if "A" in modality:
        found.append(SoundLikeness(described["patch"], described["windows"], described["heard"]))
    if "V" in modality:
        frames = load_cache(folder, arrays_of(modality)).frames
        found.append(
            PictureLikeness(
                described["still"],
                lambda number: picture.looked_at(np.asarray(frames[int(rows[number])])),
                described["crops"],
                described["seen"],
            )
        )
    return found


def _vectors(letter: Modality, features: Any, rows: Rows) -> VectorLikeness:
    means = [features[int(row)].astype(np.float32).mean(axis=(0, 1)) for row in rows]
    vectors = np.stack(means) if means else np.zeros((0, 1), np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.maximum(lengths, 1e-12)
    # a vector is found by itself
    descriptors = np.broadcast_to(unit[:, None], (len(unit), 2, unit.shape[1]))
    return VectorLikeness(letter, descriptors, lengths[:, 0] > 0)


def _describe(folder: Path, rows: Rows, modality: Modality, jobs: int) -> dict[str, NDArray]:
    """Arrays of `_described` for all clips, by name."""
    tasks = [
        (folder, rows[start : start + CHUNK], modality) for start in range(0, len(rows), CHUNK)
    ]
    parts = []
    with (
        closing(in_processes(_described, tasks, jobs)) as done,
        tqdm(total=len(rows), desc="comparing", unit="clip", mininterval=1) as bar,
    ):
        for part in done:
            parts.append(part)
            bar.update(len(next(iter(part.values()))))
    parts = parts or [_described((folder, rows, modality))]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _described(task: tuple[Path, Rows, Modality]) -> dict[str, NDArray]:
    folder, rows, modality = task
    cache = load_cache(folder, arrays_of(modality))
    found: dict[str, NDArray] = {}
    if "A" in modality:
        patches = [sound.sound_patch(cache.fbank[int(row)]) for row in rows]
        size = len(sound.SEARCHED) + 1, sound.COEFFICIENTS**2
        found["patch"] = np.array(patches).reshape(-1, sound.STEPS, sound.BANDS)
        found["windows"] = np.array([*map(sound.windows, patches)], np.float32).reshape(-1, *size)
        found["heard"] = np.array([*map(sound.changes, patches)], bool)
    if "V" in modality:
        clips = (np.asarray(cache.frames[int(row)]) for row in rows)
        stills = [picture.still(picture.looked_at(frames)) for frames in clips]
        size = len(picture.SEARCHED) + 2, 3 * picture.COARSE**2
        found["still"] = np.array(stills, np.uint8)
        found["crops"] = np.array([*map(picture.crops, stills)], np.float32).reshape(-1, *size)
        found["seen"] = np.array([*map(picture.has_contrast, stills)], bool)
    return found
