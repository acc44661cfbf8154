"""Whether the parts of a shard fit together: shapes, kinds of numbers, classes and rows. One that
was edited and has a repaired digest is refused before numbers are made of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from numpy.typing import NDArray

# kinds of NumPy: integers, truth values
KINDS = {"label": "iu", "fold": "iu", "top1": "iu", "withheld": "iu", "in_update": "b"}


def contradictions(about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Iterator[str]:
    """What does not fit together in a shard that has all of its parts, in words.

    Args:
        about: content of about.json.
        arrays: its arrays, by name.
    """
    shapes = _shapes(about)
    found = {name: arrays[name].shape if name in arrays else () for name in shapes}
    bad = [name for name, shape in shapes.items() if found[name][: len(shape)] != shape]
    for name in bad:
        wanted = " x ".join(map(str, shapes[name]))
        yield f"{name} has the shape {found[name]}, about.json is of {wanted}"
    kinds = [name for name, kind in KINDS.items() if arrays[name].dtype.kind not in kind]
    yield from (f"{name} has numbers of the kind {arrays[name].dtype}" for name in kinds)
    clips = about["clips"]
    lengths = {len(clips[name]) for name in ("id", "split", "group")}
    if len(lengths) > 1:
        yield f"id, split and group list {sorted(lengths)} clips"
    if bad or kinds or len(lengths) > 1:
        return
    rows = Counter(zip(clips["split"], arrays["fold"].tolist(), clips["id"], strict=True))
    twice = [row for row, count in rows.items() if count > 1]
    if twice:
        yield f"clip {twice[0][2]!r} is listed twice in split {twice[0][0]}"
    yield from _outside(about, arrays)


def _shapes(about: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """The first dimensions of each array."""
    clips, runs, withheld = len(about["clips"]["id"]), len(about["runs"]), about["withheld"]
    shapes: dict[str, tuple[int, ...]] = {
        "label": (clips,),
        "fold": (clips,),
        "top1": (len(about["views"]), clips, runs),
        "in_update": (clips, runs),
        "withheld": (len(withheld["modes"]), clips, len(withheld["variants"])),
        "degree": (len(about["degrees"]),),
    }
    return shapes | {
        name: (len(folders),) for name, folders in about["mechanism"].items() if folders
    }


def _outside(about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Iterator[str]:
    """Classes that there are not: the number of classes is that of the degrees of confusion."""
    if not about["degrees"]:
        return
    pairs = arrays["degree"].reshape(len(about["degrees"]), -1).shape[1]
    classes = (math.isqrt(8 * pairs + 1) - 1) // 2
    if classes * (classes + 1) // 2 != pairs:
        yield f"degree has {pairs} pairs of classes, which no number of classes has"
    # -1: not scored
    limits = {"label": (0, classes), "top1": (-1, classes), "withheld": (-1, 2)}
    for name, (low, end) in limits.items():
        values = arrays[name]
        wrong = values[(values < low) | (values >= end)]
        if wrong.size:
            yield f"{name} is {int(wrong.flat[0])}, wanted {low} to {end - 1}"
