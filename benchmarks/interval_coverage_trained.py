"""How often the two-way interval contains the accuracy of a classifier on other groups, where these
would also train it, by simulation.

    python benchmarks/interval_coverage_trained.py

As `interval_coverage.py`, but with a classifier that is trained: class means of normal features, on
the other four of five folds, drawn anew in each rotation. Other recordings would be other training
recordings too, which is no part of the interval. The difference is that of two classifiers with all
and with three quarters of the features; the value on other groups is the mean over the repetitions.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from diccae.functional.bootstrap import t_interval
from diccae.functional.two_way import two_way_interval

CLIPS_OF_GROUP = np.array([0.45, 0.25, 0.15, 0.08, 0.04, 0.03])
FOLDS, DIMENSIONS, FEWER = 5, 12, 9
# standard deviations: of the centres of the classes, of groups, of clips, of noise of training
CENTRE, GROUP, CLIP, TRAINING = 1.1, 1.2, 0.8, 0.2


def rotation(
    rng: np.random.Generator,
    features: NDArray[np.float64],
    label: NDArray[np.int64],
    group: NDArray[np.int64],
    trained_on: int | None,
) -> NDArray[np.float64]:
    """(2, N) 100 where each of two classifiers is right about a clip of the fold that it did not
    see, trained on so many groups a class (None for all)."""
    classes, groups = int(label.max()) + 1, int(group.max()) + 1
    order = np.concatenate([rng.permutation(groups // classes) for _ in range(classes)])
    right = np.zeros((2, len(label)))
    for fold in range(FOLDS):
        tested = (order % FOLDS == fold)[group]
        seen = ~tested
        if trained_on is not None:
            # of each class, the groups that come first in the order of the rotation
            place = np.where(order % FOLDS == fold, len(order), order).reshape(classes, -1)
            seen &= (place.argsort(axis=1).argsort(axis=1) < trained_on).ravel()[group]
        means = np.stack([features[seen & (label == c)].mean(axis=0) for c in range(classes)])
        for method, width in enumerate((DIMENSIONS, FEWER)):
            learnt = means[:, :width] + TRAINING * rng.normal(size=(classes, width))
            distances = ((features[tested, None, :width] - learnt) ** 2).sum(axis=2)
            right[method, tested] = 100 * (distances.argmin(axis=1) == label[tested])
    return right


def coverage(
    classes: int, count: int, rotations: int, trained_on: int | None, repetitions: int
) -> list[tuple[str, float, float, float]]:
    """Coverage of the two-way interval, its mean half-width, and coverage of the t-interval over
    rotations, for `accuracy` and `difference`."""
    rng = np.random.default_rng([classes, count, rotations, trained_on or 0])
    centres = CENTRE * rng.normal(size=(classes, DIMENSIONS))
    found: dict[str, list[tuple[float, float, float]]] = {"accuracy": [], "difference": []}
    for _ in range(repetitions):
        clips = rng.choice(6, classes * count, p=CLIPS_OF_GROUP) + 1
        group = np.repeat(np.arange(classes * count), clips)
        label = group // count
        features = (
            centres[label]
            + GROUP * rng.normal(size=(classes * count, DIMENSIONS))[group]
            + CLIP * rng.normal(size=(len(group), DIMENSIONS))
        )
        both = np.stack(
            [rotation(rng, features, label, group, trained_on) for _ in range(rotations)], axis=1
        )
        for name, values in (("accuracy", both[0]), ("difference", both[0] - both[1])):
            estimate, _, high = two_way_interval(values, label, group)
            half = t_interval(values.mean(axis=1)).high - estimate
            found[name].append((estimate, high - estimate, half))
    rows = []
    for name, cells in found.items():
        estimates, half, over_rotations = np.array(cells).T
        missed = np.abs(estimates - estimates.mean())
        rows.append(
            (
                name,
                float((missed <= half).mean()),
                float(half.mean()),
                float((missed <= over_rotations).mean()),
            )
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=500)
    repetitions = parser.parse_args().repetitions
    print("| | classes x groups | trained on | rotations | two-way | t over rotations |")
    print("|---|---|---|---|---|---|")
    for classes, count, trained_on in ((20, 19, None), (20, 19, 5), (10, 12, None), (10, 12, 5)):
        for rotations in (4, 12):
            for name, two_way, half, over_rotations in coverage(
                classes, count, rotations, trained_on, repetitions
            ):
                seen = f"{trained_on} of each class" if trained_on else "all others"
                print(
                    f"| {name} | {classes} x {count} | {seen} | {rotations} "
                    f"| {100 * two_way:.1f} % (±{half:.1f}) | {100 * over_rotations:.1f} % |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
