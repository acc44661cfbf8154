"""The two designs of the embedded benchmark: `ring`, the first one, and `pairs`."""

from __future__ import annotations

from diccae.datasets.benchmark.activities import MOTIONS, SOUNDS, Activity, Design
from diccae.errors import UserError

# d' of each family of the ring; they differ, so that the measured degrees of confusion can be
# ranked
RING_MOTION_SEPARATION = (1.0, 0.6, 1.4, 0.8, 1.8, 1.2)
RING_SOUND_SEPARATION = (1.4, 0.8, 1.6, 0.6, 1.0, 1.2)

# motion and sound of each pair of twins; below, of each motion and each sound, d' of the twins, and
# of the single and the nearer twin
CELLS = (
    ("going down", "thud"),
    ("gait", "footfalls"),
    ("hands to chest or face", "voice"),
    ("overhead swing", "slap"),
)
TWIN_MOTION_SEPARATION = (0.8, 1.4, 1.0, 1.8)
TWIN_SOUND_SEPARATION = (1.0, 0.8, 1.8, 1.4)
SINGLE_MOTION_SEPARATION = (2.0, 1.6, 1.8, 1.2)
SINGLE_SOUND_SEPARATION = (1.6, 2.0, 1.2, 1.4)


def _ring() -> Design:
    names = (
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
    activities = []
    for label, name in enumerate(names):
        motion, sound = label // 2, (label + 1) // 2 % len(SOUNDS)
        sign = 1 if label % 2 else -1
        activities.append(
            Activity(
                label,
                name,
                motion,
                sound,
                sign * RING_MOTION_SEPARATION[motion] / 2,
                -sign * RING_SOUND_SEPARATION[sound] / 2,
            )
        )
    return Design("ring", tuple(activities), corruption=0.10)


def _pairs() -> Design:
    twins = ("lie down", "fall", "walk", "run", "cough", "sneeze", "hammer", "swat")
    singles = ("stumble", "shout", "clap", "chop wood")
    activities = []
    for label, name in enumerate(twins + singles):
        twin = label < len(twins)
        motion = label // 2 if twin else label - len(twins)
        sound = motion if twin else (motion + 1) % len(CELLS)
        activities.append(
            Activity(
                label,
                name,
                MOTIONS.index(CELLS[motion][0]),
                SOUNDS.index(CELLS[sound][1]),
                _motion_means(motion)[label % 2 if twin else 2],
                _sound_means(sound)[label % 2 if twin else 2],
            )
        )
    return Design("pairs", tuple(activities), corruption=0.03)


def _motion_means(motion: int) -> tuple[float, float, float]:
    """Means of the manner of the first twin, the second twin and the single, which is the highest.

    The lowest and the highest are at equal distances from 0, where a small change of the manner
    changes a clip most.
    """
    twins, single = TWIN_MOTION_SEPARATION[motion], SINGLE_MOTION_SEPARATION[motion]
    highest = (twins + single) / 2
    return -highest, twins - highest, highest


def _sound_means(sound: int) -> tuple[float, float, float]:
    """As `_motion_means`; of sounds, the single is the lowest."""
    twins, single = TWIN_SOUND_SEPARATION[sound], SINGLE_SOUND_SEPARATION[sound]
    highest = (twins + single) / 2
    return highest - twins, highest, -highest


# The first benchmark. Neighbours on a ring alternately share a motion (fall / lie down) and a sound
# (cough / sneeze); no two classes share both.
RING = _ring()

# The second benchmark. Four pairs of classes ("twins") share a motion and a sound and are
# confusable by eye, by ear and by both. Four further classes ("singles") share a motion with one
# pair and a sound with another, so that they are confusable by eye or by ear alone.
PAIRS = _pairs()

DESIGNS = {design.name: design for design in (PAIRS, RING)}


def design_of(name: str) -> Design:
    """The design of a name.

    Raises:
        UserError: there is none of that name.
    """
    if name not in DESIGNS:
        raise UserError(f"benchmark.design: wanted {' or '.join(DESIGNS)}, got {name!r}")
    return DESIGNS[name]
