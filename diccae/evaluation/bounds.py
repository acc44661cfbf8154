"""Bounds of an accuracy that was measured without some clips: these all wrong, or all right."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bounds:
    """Bounds of the top-1 accuracy on all listed clips.

    Attributes:
        used: number of scored clips.
        listed: number of all clips.
        top1: accuracy on the scored clips, in percent.
        worst: accuracy on all clips if every missing clip is wrong, in percent.
        best: accuracy on all clips if every missing clip is right, in percent.
    """

    used: int
    listed: int
    top1: float
    worst: float
    best: float


def bounds(top1: float, used: int, listed: int) -> Bounds:
    """Bounds of a top-1 accuracy, in percent, that was measured on `used` of `listed` clips.

    Raises:
        ValueError: no clip was used, more were used than are listed, or `top1` is no percentage.
    """
    if not 0 < used <= listed:
        raise ValueError(
            f"bounds: wanted 0 < used <= listed clips, got {used} used, {listed} listed"
        )
    if not 0 <= top1 <= 100:
        raise ValueError(f"bounds: wanted a top-1 in [0, 100] percent, got {top1}")
    # computed from the share, so that worst and best equal the accuracy exactly if none is missing
    share = used / listed
    return Bounds(used, listed, top1, top1 * share, top1 * share + 100 * (1 - share))
