"""Bounds of an accuracy when some of the listed clips could not be scored."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bounds:
    """An accuracy on the scored clips and its bounds on all listed clips.

    Attributes:
        used: number of scored clips.
        listed: number of listed clips.
        top1: accuracy in percent on the scored clips.
        worst: accuracy in percent on all listed clips if every missing one were classified wrongly.
        best: the same if every missing clip were classified correctly.
    """

    used: int
    listed: int
    top1: float
    worst: float
    best: float


def bounds(top1: float, used: int, listed: int) -> Bounds:
    """Bounds of a top-1 accuracy in percent that was measured on `used` of `listed` clips.

    Raises:
        ValueError: no clip was used, more were used than are listed, or top1 is not in [0, 100].
    """
    if not 0 < used <= listed:
        raise ValueError(
            f"bounds: wanted 0 < used <= listed clips, got {used} used, {listed} listed"
        )
    if not 0 <= top1 <= 100:
        raise ValueError(f"bounds: wanted a top-1 in [0, 100] percent, got {top1}")
    # this order of operations makes both bounds equal to top1, bit for bit, when no clip is missing
    share = used / listed
    return Bounds(used, listed, top1, top1 * share, top1 * share + 100 * (1 - share))
