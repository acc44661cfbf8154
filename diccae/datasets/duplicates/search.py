"""Pairs of clips that are alike in everything that can be compared of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from diccae.sections import Modality

Rows = NDArray[np.int64]

# Of each searched part of a clip, so many neighbours in other splits or sources are compared.
NEIGHBOURS = 8
BLOCK = 4096
PAIRS = 1 << 16
# Two modalities: the differences, in units of `Likeness.unit`, add up to 1 or less. What decides
# alone must be less than a quarter of its unit away.
TOGETHER, ALONE = 1.0, 0.25


class Likeness(Protocol):
    """How alike N clips are in one modality.

    Attributes:
        letter: A or V.
        descriptors: float32 (N, 1 + H, D) of unit length: a clip is found by the first, and the
            others are searched for.
        clear: bool (N,), whether there is anything to compare.
        least: pairs below this product of descriptors are not compared further.
        unit: largest difference, 1 - `similarity`, of a copy.
    """

    letter: Modality
    descriptors: NDArray[np.float32]
    clear: NDArray[np.bool_]
    least: float
    unit: float

    def similarity(self, one: Rows, other: Rows) -> NDArray[np.float64]:
        """Similarity (P,), at most 1, of pairs of clips."""


@dataclass
class Pairs:
    """Near-duplicates.

    Attributes:
        first, second: (P,) clips, the first with the lower number.
        similarity: (P,) of each modality.
        unclear: number of pairs that agree in one modality and cannot be compared in another, by
            the letter of the latter.
    """

    first: Rows
    second: Rows
    similarity: dict[Modality, NDArray[np.float64]]
    unclear: Counter[Modality] = field(default_factory=Counter)


def near_duplicates(likenesses: Sequence[Likeness], places: Rows, threads: int = 1) -> Pairs:
    """Search for clips that are near-duplicates of clips in another place.

    Args:
        likenesses: one for each modality, the one that is faster to compare first.
        places: (N,) numbers from 0; pairs within a place are not searched for.
        threads: of the search for neighbours.
    """
    count = len(places)
    codes = np.concatenate([_candidates(each, places, threads) for each in likenesses])
    codes = np.unique(codes)
    found: list[tuple[Rows, Rows, NDArray[np.float64]]] = []
    unclear: Counter[Modality] = Counter()
    for start in range(0, len(codes), PAIRS):
        first, second = np.divmod(codes[start : start + PAIRS], count)
        first, second, scores = _compared(likenesses, first, second)
        whole = np.isfinite(scores).all(axis=1)
        for number, each in enumerate(likenesses):
            unclear[each.letter] += int((~np.isfinite(scores[:, number])).sum())
        found.append((first[whole], second[whole], scores[whole]))
    empty = np.zeros(0, np.int64)
    parts = found or [(empty, empty, np.zeros((0, len(likenesses))))]
    first, second, scores = (np.concatenate(part) for part in zip(*parts, strict=True))
    by_letter = {each.letter: scores[:, number] for number, each in enumerate(likenesses)}
    return Pairs(first, second, by_letter, unclear)


def _candidates(likeness: Likeness, places: Rows, threads: int) -> Rows:
    """Codes, first clip * N + second, of pairs whose descriptors are neighbours."""
    import faiss

    faiss.omp_set_num_threads(threads)
    count, codes = len(places), [np.zeros(0, np.int64)]
    for place in np.unique(places):
        here = np.flatnonzero((places == place) & likeness.clear)
        others = np.flatnonzero((places != place) & likeness.clear)
        if not len(here) or not len(others):
            continue
        index = faiss.IndexFlatIP(likeness.descriptors.shape[2])
        index.add(np.ascontiguousarray(likeness.descriptors[others, 0]))
        for start in range(0, len(here), BLOCK):
            asked = here[start : start + BLOCK]
            queries = likeness.descriptors[asked, 1:]
            products, nearest = index.search(
                queries.reshape(-1, queries.shape[2]), min(NEIGHBOURS, len(others))
            )
            close = products >= likeness.least
            one = np.broadcast_to(asked.repeat(queries.shape[1])[:, None], close.shape)[close]
            other = others[nearest[close]]
            codes.append(np.unique(np.minimum(one, other) * count + np.maximum(one, other)))
    return np.unique(np.concatenate(codes))


def _compared(
    likenesses: Sequence[Likeness], first: Rows, second: Rows
) -> tuple[Rows, Rows, NDArray[np.float64]]:
    """The pairs that are near-duplicates, and their similarity (P, modalities): NaN where a
    modality cannot be compared."""
    clear = np.stack([each.clear[first] & each.clear[second] for each in likenesses], axis=1)
    allowed = np.where(clear.sum(axis=1) > 1, TOGETHER, ALONE)
    kept = np.ones(len(first), bool)
    for number, each in enumerate(likenesses):
        rows = np.flatnonzero(kept & clear[:, number])
        kept[rows] = _product(each, first[rows], second[rows]) >= each.least
    scores, spent = np.full(clear.shape, np.nan), np.zeros(len(first))
    for number, each in enumerate(likenesses):
        rows = np.flatnonzero(kept & clear[:, number])
        scores[rows, number] = each.similarity(first[rows], second[rows])
        spent[rows] += (1 - scores[rows, number]) / each.unit
        kept[rows] = spent[rows] <= allowed[rows]
    return first[kept], second[kept], scores[kept]


def _product(likeness: Likeness, one: Rows, other: Rows) -> NDArray[np.float32]:
    """Largest product of descriptors, (P,), whichever clip of a pair is searched for."""
    found = np.empty(len(one), np.float32)
    for part in _blocks(len(one)):
        mine, yours = likeness.descriptors[one[part]], likeness.descriptors[other[part]]
        ways = (
            np.einsum("phd,pd->ph", mine[:, 1:], yours[:, 0]),
            np.einsum("phd,pd->ph", yours[:, 1:], mine[:, 0]),
        )
        found[part] = np.concatenate(ways, axis=1).max(axis=1)
    return found


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK) for start in range(0, count, BLOCK))
