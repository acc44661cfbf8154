"""What an accuracy would be had the clips that are missing been scored: all wrong, or all right."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bounds:
    """Top-1 in percent on `used` clips, and over all `listed` ones with every missing clip wrong (`worst`) or right (`best`)."""

    used: int
    listed: int
    top1: float
    worst: float
    best: float


def bounds(top1: float, used: int, listed: int) -> Bounds:
    """Bounds of a top-1 in percent that was measured on `used` of `listed` clips.

    Raises:
        ValueError: no clip was used, more were used than are listed, or top1 is no percentage.
    """
    if not 0 < used <= listed:
        raise ValueError(
            f"bounds: wanted 0 < used <= listed clips, got {used} used, {listed} listed"
        )
    if not 0 <= top1 <= 100:
        raise ValueError(f"bounds: wanted a top-1 in [0, 100] percent, got {top1}")
    # a share of the used clips first: with none missing, worst and best are the accuracy itself, bit for bit
    share = used / listed
    return Bounds(used, listed, top1, top1 * share, top1 * share + 100 * (1 - share))
