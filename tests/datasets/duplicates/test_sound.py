"""What is compared of a sound."""

from __future__ import annotations

import numpy as np

from diccae.datasets.duplicates.likeness import SoundLikeness
from diccae.datasets.duplicates.sound import STEPS, sound_patch, sound_similarity

SECONDS = 2.0
STEP = SECONDS / STEPS


def clicks(rng: np.random.Generator, late: float) -> np.ndarray:
    """Log-mels (STEPS, 64) of eight clicks, each within a step, heard from `late` seconds on, over
    noise that is drawn anew each time."""
    times, colours = rng.uniform(0.6, SECONDS, 8), rng.exponential(size=(8, 64))
    power = np.random.default_rng(int(1000 * late)).uniform(1e-5, 2e-5, (STEPS, 64))
    for time, colour in zip(times, colours, strict=True):
        # what falls on the boundary of two steps is shared by them
        place = (time - late) / STEP
        step, share = int(place), 1 - place % 1
        power[step] += share * colour
        if step + 1 < STEPS:
            power[step + 1] += (1 - share) * colour
    return np.log(power).astype(np.float16)


def test_a_shift_by_a_part_of_a_step_leaves_clicks_alike() -> None:
    patches = [
        [sound_patch(clicks(np.random.default_rng(seed), late)) for seed in range(20)]
        for late in (0.0, 0.5 + STEP / 2)
    ]
    one, other = (np.stack(each) for each in patches)
    copies = 1 - sound_similarity(one, other)
    assert copies.max() < SoundLikeness.unit
    others = 1 - sound_similarity(one, np.roll(other, 1, axis=0))
    assert others.min() > copies.max()
