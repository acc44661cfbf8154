"""How often 95 % intervals of grouped clips contain the accuracy on other groups, by simulation.

    python benchmarks/interval_coverage.py

Each repetition draws groups of 1 to 6 clips (2.1 on average), which are easy or hard together, and
two methods that are scored on all of them in every rotation. A clip is classified correctly if a
sum of normal terms (class, group, clip, rotation, noise of training) is positive, so the accuracy
on all other groups is known. The intervals are those of the accuracy of one method and of the
difference of two that are equally good on average.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from diccae.functional.bootstrap import t_interval
from diccae.functional.two_way import two_way_interval, two_way_variance

CLIPS_OF_GROUP = np.array([0.45, 0.25, 0.15, 0.08, 0.04, 0.03])
# standard deviations of the terms: common to both methods, and of each method
COMMON = {"group": 0.8, "clip": 0.7}
OWN = {"group": 0.25, "clip": 0.25, "rotation": 0.03, "group and rotation": 0.4, "noise": 0.7}
INTERVALS = ("two-way", "sum of both spreads", "t over rotations", "over clips")


def right(
    rng: np.random.Generator, rotations: int, difficulty: NDArray[np.float64], group: NDArray
) -> NDArray[np.float64]:
    """(R, N) 100 where a method is right about a clip in a rotation, else 0."""
    count, clips = int(group.max()) + 1, len(group)
    total = (
        difficulty
        + OWN["group"] * rng.normal(size=count)[group]
        + OWN["clip"] * rng.normal(size=clips)
        + OWN["rotation"] * rng.normal(size=(rotations, 1))
        + OWN["group and rotation"] * rng.normal(size=(rotations, count))[:, group]
        + OWN["noise"] * rng.normal(size=(rotations, clips))
    )
    return 100.0 * (total > 0)


def half_widths(
    values: NDArray[np.float64], classes: NDArray[np.int64], groups: NDArray[np.int64]
) -> list[float]:
    """Half the width of each of `INTERVALS`."""
    estimate, _, high = two_way_interval(values, classes, groups)
    found = two_way_variance(values, classes, groups)
    both = found.groups + found.rotations
    freedom = len(values) - 1, len(np.unique(groups)) - len(np.unique(classes))
    satterthwaite = both**2 / (found.rotations**2 / freedom[0] + found.groups**2 / freedom[1])
    clips = two_way_variance(values, classes, np.arange(len(classes))).groups
    return [
        high - estimate,
        float(stats.t.ppf(0.975, satterthwaite)) * both**0.5,
        t_interval(values.mean(axis=1)).high - estimate,
        float(stats.norm.ppf(0.975)) * clips**0.5,
    ]


def coverage(
    classes: int, count: int, rotations: int, repetitions: int
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Share of repetitions in which each interval contains the value for other groups, and its
    mean half-width in points, for `accuracy` and `difference`."""
    rng = np.random.default_rng([classes, count, rotations])
    spread = sum(size**2 for size in (*COMMON.values(), *OWN.values())) ** 0.5
    middle = np.linspace(-0.5, 1.5, classes)
    covered = {name: np.zeros(len(INTERVALS)) for name in ("accuracy", "difference")}
    widths: dict[str, list[NDArray[np.float64]]] = {name: [] for name in covered}
    for _ in range(repetitions):
        clips = rng.choice(6, classes * count, p=CLIPS_OF_GROUP) + 1
        group = np.repeat(np.arange(classes * count), clips)
        label = group // count
        difficulty = (
            middle[label]
            + COMMON["group"] * rng.normal(size=classes * count)[group]
            + COMMON["clip"] * rng.normal(size=len(group))
        )
        first, second = (right(rng, rotations, difficulty, group) for _ in range(2))
        truth = 100 * float(stats.norm.cdf(middle / spread)[label].mean())
        for name, values, known in (
            ("accuracy", first, truth),
            ("difference", first - second, 0.0),
        ):
            half = np.array(half_widths(values, label, group))
            covered[name] += np.abs(values.mean() - known) <= half
            widths[name].append(half)
    # where all rotations have the same accuracy, there is no t-interval, which covers nothing
    return {
        name: (covered[name] / repetitions, np.nanmean(widths[name], axis=0)) for name in covered
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=2000)
    repetitions = parser.parse_args().repetitions
    print(f"| | classes x groups | rotations | {' | '.join(INTERVALS)} |")
    print("|---|---|---|" + "---|" * len(INTERVALS))
    for classes, count in ((20, 19), (10, 12), (5, 5)):
        for rotations in (4, 12, 60):
            found = coverage(classes, count, rotations, repetitions)
            for name, (share, half) in found.items():
                cells = (f"{100 * s:.1f} % (±{h:.1f})" for s, h in zip(share, half, strict=True))
                print(
                    f"| {name} | {classes} x {count} | {rotations} | {' | '.join(cells)} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
