"""The twelve activities of the embedded benchmark and what makes them confusable.

They form a ring. Neighbours alternately share a motion, so that they are confusable by eye
(fall / lie down), and a sound, so that they are confusable by ear (cough / sneeze); no two share
both. The two classes that share a motion or a sound (a family) differ in one latent number, the
manner, with overlapping distributions: u ~ N(-d/2, 1) for one and N(+d/2, 1) for the other. Each
modality is corrupted in a tenth of the clips (darkness, loud surroundings) and then carries no
information on the class.
"""

from __future__ import annotations

from dataclasses import dataclass

NAMES = (
    "lie down",
    "fall",
    "jump",
    "hop",
    "walk",
    "tap dance",
    "hammer",
    "swat",
    "clap",
    "cough",
    "sneeze",
    "sweep floor",
)
MOTIONS = (
    "going down",
    "up and down",
    "gait",
    "overhead swing",
    "hands to chest or face",
    "bending forward",
)
SOUNDS = ("rustle", "thud", "footfalls", "taps", "slap", "voice")
# d' of each family; they differ, so that the measured degrees of confusion can be ranked
MOTION_SEPARATION = (1.0, 0.6, 1.4, 0.8, 1.8, 1.2)
SOUND_SEPARATION = (1.4, 0.8, 1.6, 0.6, 1.0, 1.2)
CORRUPTION = 0.10


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


def _activity(label: int) -> Activity:
    motion, sound = label // 2, (label + 1) // 2 % len(SOUNDS)
    sign = 1 if label % 2 else -1
    return Activity(
        label,
        NAMES[label],
        motion,
        sound,
        sign * MOTION_SEPARATION[motion] / 2,
        -sign * SOUND_SEPARATION[sound] / 2,
    )


ACTIVITIES = tuple(_activity(label) for label in range(len(NAMES)))
