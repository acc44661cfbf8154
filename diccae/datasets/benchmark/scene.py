"""The latent variables of a clip, drawn from its own seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diccae.datasets.benchmark.activities import Activity, Design

SECONDS = 2.0
SPLITS = ("unlabelled", "train", "update", "validation", "test")
SOURCES = ("embedded-a", "embedded-b", "embedded-c", "embedded-d")
SOURCE_SHARES = (0.55, 0.25, 0.12, 0.08)
HOME_SOURCE = 1


@dataclass(frozen=True)
class Scene:
    """Everything that determines a clip.

    Attributes:
        activity: the class.
        source: index of the source in SOURCES.
        motion_u: latent manner of the motion, normal with variance 1.
        sound_u: latent manner of the sound, normal with variance 1.
        blind: whether the picture carries no information.
        deaf: whether the sound carries no information.
        first_event: time of the first event in seconds.
        rate: events per second.
        seed: seed of the clip.
    """

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
        """Manner of the motion, in [0, 1]."""
        return _normal_share(self.motion_u / 1.25)

    @property
    def sound_manner(self) -> float:
        """Manner of the sound, in [0, 1]."""
        return _normal_share(self.sound_u / 1.25)

    @property
    def events(self) -> np.ndarray:
        """Times of a repeated sound in seconds; they do not depend on the class."""
        start = self.first_event % (1 / self.rate)
        return np.arange(start, SECONDS, 1 / self.rate)

    def rng(self, part: int) -> np.random.Generator:
        """The random generator of a part of the clip: 1 for the picture, 2 for the sound."""
        return np.random.default_rng([*self.seed, part])


def activity_of(design: Design, index: int) -> Activity:
    """The class of clip `index` of any split; classes alternate, so that splits are balanced."""
    return design.activities[index % len(design.activities)]


def draw_scene(design: Design, benchmark_seed: int, split: str, index: int) -> Scene:
    """Draw the scene of clip `index` of a split."""
    seed = (benchmark_seed, SPLITS.index(split), index)
    rng = np.random.default_rng([*seed, 0])
    activity = activity_of(design, index)
    source = (
        int(rng.choice(len(SOURCES), p=SOURCE_SHARES)) if split == "unlabelled" else HOME_SOURCE
    )
    return Scene(
        activity=activity,
        source=source,
        motion_u=float(rng.normal(activity.motion_mean)),
        sound_u=float(rng.normal(activity.sound_mean)),
        blind=bool(rng.random() < design.corruption),
        deaf=bool(rng.random() < design.corruption),
        first_event=float(rng.uniform(0.8, 1.4)),
        rate=float(rng.uniform(1.2, 2.2)),
        seed=seed,
    )


def _normal_share(value: float) -> float:
    """The share of a standard normal distribution below a value."""
    # takes a second to import, and the number of clips is counted without it
    from scipy.stats import norm

    return float(norm.cdf(value))
