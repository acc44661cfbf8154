"""What a clip must have for the modality of a plan: streams in its file, arrays in the cache."""

from __future__ import annotations

from typing import Literal

from diccae.sections import Modality

Kind = Literal["video", "audio"]
LETTERS: dict[Kind, str] = {"video": "V", "audio": "A"}
# array of the clip cache that holds a stream, and what people call it
ARRAYS: dict[Kind, str] = {"video": "frames", "audio": "fbank"}
WORDS: dict[Kind, str] = {"video": "picture", "audio": "sound"}


def kinds(modality: Modality) -> tuple[Kind, ...]:
    """The streams that a clip needs."""
    return tuple(kind for kind, letter in LETTERS.items() if letter in modality)


def arrays_of(modality: Modality) -> tuple[str, ...]:
    """The arrays that a cache has."""
    return tuple(ARRAYS[kind] for kind in kinds(modality))


def without(kind: Kind) -> Modality:
    """The modality that does not ask for a stream."""
    return "A" if kind == "video" else "V"


def way_out(kind: Kind) -> str:
    """What to change in a plan whose clips lack a stream."""
    letter = without(kind)
    return (
        f"a plan that needs no {WORDS[kind]} has `modalities: [{letter}]` in its sections and "
        f"`pretrain_modality: {letter}`"
    )
