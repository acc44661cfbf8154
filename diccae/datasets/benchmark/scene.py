"""The latents of one clip, drawn from its own seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from diccae.datasets.benchmark.activities import ACTIVITIES, CORRUPTION, Activity

SECONDS = 2.0
SPLITS = ("unlabelled", "train", "update", "validation", "test")
SOURCES = ("embedded-a", "embedded-b", "embedded-c", "embedded-d")
SOURCE_SHARES = (0.55, 0.25, 0.12, 0.08)
HOME_SOURCE = 1


@dataclass(frozen=True)
class Scene:
    """Everything that decides a clip. Manners are the standard-normal-scale latents u and their images in [0, 1]; times in seconds."""

    activity: Activity
    source: int
    motion_u: float
    sound_u: float
    blind: bool
    deaf: bool
    first_event: float
    rate: float
    seed: tuple[int, ...]

    @property
    def motion_manner(self) -> float:
        return float(norm.cdf(self.motion_u / 1.25))

    @property
    def sound_manner(self) -> float:
        return float(norm.cdf(self.sound_u / 1.25))

    @property
    def events(self) -> np.ndarray:
        """Times at which something sounds if the sound is a repeated one; tempo and phase do not depend on the class."""
        start = self.first_event % (1 / self.rate)
        return np.arange(start, SECONDS, 1 / self.rate)

    def rng(self, part: int) -> np.random.Generator:
        return np.random.default_rng([*self.seed, part])


def draw_scene(benchmark_seed: int, split: str, index: int) -> Scene:
    """The scene of clip `index` of a split; classes take turns, so every split is balanced."""
    seed = (benchmark_seed, SPLITS.index(split), index)
    rng = np.random.default_rng([*seed, 0])
    activity = ACTIVITIES[index % len(ACTIVITIES)]
    source = (
        int(rng.choice(len(SOURCES), p=SOURCE_SHARES)) if split == "unlabelled" else HOME_SOURCE
    )
    return Scene(
        activity=activity,
        source=source,
        motion_u=float(rng.normal(activity.motion_mean)),
        sound_u=float(rng.normal(activity.sound_mean)),
        blind=bool(rng.random() < CORRUPTION),
        deaf=bool(rng.random() < CORRUPTION),
        first_event=float(rng.uniform(0.8, 1.4)),
        rate=float(rng.uniform(1.2, 2.2)),
        seed=seed,
    )
