"""The motions and sounds that the renderer knows, and the classes made of them."""

from __future__ import annotations

from dataclasses import dataclass

MOTIONS = (
    "going down",
    "up and down",
    "gait",
    "overhead swing",
    "hands to chest or face",
    "bending forward",
)
SOUNDS = ("rustle", "thud", "footfalls", "taps", "slap", "voice")


@dataclass(frozen=True)
class Activity:
    """One class.

    Attributes:
        label: index of the class.
        name: name of the class.
        motion: index of its motion in MOTIONS.
        sound: index of its sound in SOUNDS.
        motion_mean: mean of the manner of the motion, whose variance is 1.
        sound_mean: mean of the manner of the sound, whose variance is 1.
    """

    label: int
    name: str
    motion: int
    sound: int
    motion_mean: float
    sound_mean: float


@dataclass(frozen=True)
class Design:
    """The classes of a benchmark, and the share of corrupted clips.

    Classes with the same motion, or the same sound, are a family. They differ in one latent
    number, the manner, which is normal with variance 1 and another mean for each class, so that
    the distributions overlap. A corrupted modality (darkness, loud surroundings) carries no
    information on the class.

    Attributes:
        name: as configs and `clips/spec.json` state it.
        activities: the classes.
        corruption: share of the clips whose picture is corrupted, and, independently, share of
            those whose sound is.
    """

    name: str
    activities: tuple[Activity, ...]
    corruption: float
