"""Sound of any number of channels and formats, cut to a span and mixed down to one channel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# share of the energy of the channels that their mean has at least, unless they cancel
CANCELLED = 0.01


def mix(
    sounds: Sequence[np.ndarray], skip: float, length: float | None, sample_rate: int
) -> np.ndarray:
    """Cut sounds that follow each other to a span, and mix them down to one channel, see `mono`.

    Args:
        sounds: arrays (S, C); the number of channels may differ.
        skip: seconds to leave out at the beginning; where it is negative, zeros are put in front.
        length: seconds to keep at most; None for all.
        sample_rate: samples per second.

    Returns:
        (S,) float32.
    """
    offset = round(skip * sample_rate)
    stop = None if length is None else offset + round(length * sample_rate)
    parts, position = [np.zeros(0, np.float32)], 0
    if offset < 0 and any(map(len, sounds)):
        parts.append(np.zeros(-offset if stop is None else min(-offset, stop - offset), np.float32))
    for sound in sounds:
        begin = max(0, offset - position)
        part = sound[begin : None if stop is None else max(begin, stop - position)]
        position += len(sound)
        if len(part):
            parts.append(mono(part))
    return np.concatenate(parts).astype(np.float32)


def mono(samples: np.ndarray) -> np.ndarray:
    """Mix samples (S, C) down to (S,): the mean of the channels.

    Where the channels cancel each other, as those of stereo in opposite phase do, it is the channel
    with the most energy instead (the first of equal ones). They cancel where the mean has less
    than CANCELLED of the mean energy of the channels.
    """
    mean = samples.mean(axis=1)
    energies = np.square(samples, dtype=np.float64).mean(axis=0)
    if np.square(mean, dtype=np.float64).mean() < CANCELLED * energies.mean():
        return samples[:, int(energies.argmax())]
    return mean


def extend(sounds: list[np.ndarray], length: int) -> None:
    """Cut the last of `sounds`, or add zeros, so that all together have `length` samples.

    What follows then begins at its time: resamplers round, and between two formats may be a gap.
    """
    excess = sum(map(len, sounds)) - length
    if excess > 0:
        sounds[-1] = sounds[-1][: max(0, len(sounds[-1]) - excess)]
    elif excess < 0:
        sounds.append(np.zeros((-excess, 1), np.float32))
