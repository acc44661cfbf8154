"""Two-way intervals: their parts against slow references, and how often they cover."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from diccae.functional.bootstrap import ACCURACY, t_interval
from diccae.functional.two_way import (
    group_interval,
    group_pvalue,
    two_way_interval,
    two_way_variance,
)

SIZES = np.array([0.45, 0.25, 0.15, 0.08, 0.04, 0.03])


def layout(rng: np.random.Generator, classes: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Class and group of each clip: so many groups a class, of 1 to 6 clips, 2.1 on average."""
    clips = rng.choice(6, classes * count, p=SIZES / SIZES.sum()) + 1
    group = np.repeat(np.arange(classes * count), clips)
    return group // count, group


def values_of(
    rng: np.random.Generator, rotations: int, group: np.ndarray, parts: dict[str, float]
) -> np.ndarray:
    """(R, N) sum of normal parts of the given standard deviations, with mean 0."""
    count, clips = int(group.max()) + 1, len(group)
    shapes = {
        "group": lambda: rng.normal(size=count)[group],
        "clip": lambda: rng.normal(size=clips),
        "rotation": lambda: rng.normal(size=(rotations, 1)),
        "group and rotation": lambda: rng.normal(size=(rotations, count))[:, group],
        "noise": lambda: rng.normal(size=(rotations, clips)),
    }
    return sum(
        (size * shapes[name]() for name, size in parts.items()), np.zeros((rotations, clips))
    )


def slow_mean(values: np.ndarray, classes: np.ndarray, shares: dict[int, float]) -> float:
    return sum(share * values[classes == c].mean() for c, share in shares.items())


def slow_jackknife(values: np.ndarray, classes: np.ndarray, groups: np.ndarray) -> float:
    """Variance of the mean of (N,) values: every group left out in turn, class shares kept."""
    shares = {c: float((classes == c).mean()) for c in np.unique(classes)}
    whole, total = slow_mean(values, classes, shares), 0.0
    for c in shares:
        inside = np.unique(groups[classes == c])
        for group in inside:
            kept = groups != group
            without = slow_mean(values[kept], classes[kept], shares)
            total += (len(inside) - 1) / len(inside) * (without - whole) ** 2
    return total


def test_the_parts_equal_leaving_out_each_group() -> None:
    rng = np.random.default_rng(0)
    classes, groups = layout(rng, 4, 6)
    values = values_of(rng, 5, groups, {"group": 2, "clip": 1, "rotation": 1, "noise": 3})
    found = two_way_variance(values, classes, groups)
    mean = values.mean(axis=0)
    noise = sum(slow_jackknife(row - mean, classes, groups) for row in values) / 4
    assert found.groups == pytest.approx(slow_jackknife(mean, classes, groups))
    assert found.rotations == pytest.approx(values.mean(axis=1).var(ddof=1) / 5)
    assert found.noise == pytest.approx(noise / 5)
    assert found.total == pytest.approx(found.groups + found.rotations - found.noise)


def test_the_interval_of_one_model_is_over_groups_alone() -> None:
    rng = np.random.default_rng(8)
    classes, groups = layout(rng, 3, 6)
    values = values_of(rng, 1, groups, {"group": 2, "clip": 1})[0]
    variance = slow_jackknife(values, classes, groups)
    half = stats.t.ppf(0.975, 15) * variance**0.5
    found = group_interval(values, classes, groups)
    # the groups of each class do not vary alike, so there are fewer degrees of freedom than 15
    assert half < found.high - found.estimate < 1.2 * half
    level = 1 - group_pvalue(values, classes, groups)
    assert group_interval(values, classes, groups, level)[1:] == pytest.approx(
        sorted((0, 2 * found.estimate)), abs=1e-9
    )
    assert math.isnan(group_interval(np.ones(4), np.zeros(4), np.arange(4)).low)
    assert math.isnan(group_pvalue(np.ones(4), np.zeros(4), np.zeros(4)))


def test_groups_vary_as_in_a_bootstrap_over_groups() -> None:
    rng = np.random.default_rng(1)
    classes, groups = layout(rng, 3, 60)
    values = values_of(rng, 4, groups, {"group": 3, "clip": 1, "noise": 1})
    drawn = []
    for _ in range(500):
        mean = 0.0
        for c in range(3):
            picks = rng.integers(60, size=60) + 60 * c
            clips = np.concatenate([np.flatnonzero(groups == pick) for pick in picks])
            mean += float((classes == c).mean() * values[:, clips].mean())
        drawn.append(mean)
    found = two_way_variance(values, classes, groups)
    assert found.groups == pytest.approx(np.var(drawn), rel=0.2)


@pytest.mark.parametrize("rotations", [4, 12, 60])
def test_coverage_of_the_value_for_other_groups(rotations: int) -> None:
    rng = np.random.default_rng(rotations)
    repetitions = 300
    parts = {"group": 5.5, "clip": 4, "group and rotation": 10, "noise": 22}
    covered = {"two-way": 0, "rotations": 0}
    for _ in range(repetitions):
        classes, groups = layout(rng, 20, 19)
        values = values_of(rng, rotations, groups, parts)
        for name, (_, low, high) in (
            ("two-way", two_way_interval(values, classes, groups)),
            ("rotations", t_interval(values.mean(axis=1))),
        ):
            covered[name] += low <= 0 <= high
    share = {name: count / repetitions for name, count in covered.items()}
    # three binomial standard errors
    assert share["two-way"] == pytest.approx(0.95, abs=0.038)
    # in closed form: group and clip have 0.134 of the variance of the other two parts
    edge = stats.t.ppf(0.975, rotations - 1) / (1 + 0.134 * rotations) ** 0.5
    wanted = 1 - 2 * stats.t.sf(edge, rotations - 1)
    assert share["rotations"] == pytest.approx(wanted, abs=0.06)
    assert share["rotations"] < {4: 0.95, 12: 0.86, 60: 0.56}[rotations]


@pytest.mark.parametrize(
    "parts",
    [{"group": 30, "clip": 25}, {"noise": 20}, {"rotation": 2, "noise": 10}],
    ids=["groups prevail", "noise alone", "rotations prevail"],
)
def test_coverage_with_few_groups_and_rotations(parts: dict[str, float]) -> None:
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(300):
        classes, groups = layout(rng, 5, 5)
        _, low, high = two_way_interval(values_of(rng, 4, groups, parts), classes, groups)
        covered += low <= 0 <= high
    # three binomial standard errors; slightly too wide where the noise prevails
    assert 0.95 - 0.038 <= covered / 300 <= 0.99


def test_coverage_where_each_rotation_scores_other_clips() -> None:
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(300):
        classes, groups = layout(rng, 5, 12)
        values = values_of(rng, 6, groups, {"group": 10, "clip": 5, "noise": 10})
        values[rng.random(values.shape) < 0.3] = np.nan
        _, low, high = two_way_interval(values, classes, groups)
        covered += low <= 0 <= high
    assert 0.95 - 0.038 <= covered / 300 <= 0.99


def test_classes_groups_and_clips_may_come_in_any_order() -> None:
    rng = np.random.default_rng(4)
    classes, groups = layout(rng, 3, 5)
    values = values_of(rng, 4, groups, {"group": 1, "noise": 1})
    order = rng.permutation(len(groups))
    names = np.array([f"freesound-{(7 * group) % 15}" for group in groups])
    moved = two_way_variance(values[:, order], 10 - classes[order], names[order])
    assert moved == pytest.approx(two_way_variance(values, classes, groups))
    shifted = two_way_variance(2 * values + 5, classes, groups)
    assert shifted.total == pytest.approx(4 * two_way_variance(values, classes, groups).total)


def test_groups_of_one_clip_give_the_variance_of_independent_clips() -> None:
    rng = np.random.default_rng(5)
    values, classes = rng.normal(size=(4, 60)), np.repeat([0, 1, 2], 20)
    found = two_way_variance(values, classes, np.arange(60))
    wanted = sum(values.mean(axis=0)[classes == c].var(ddof=1) / 20 / 9 for c in range(3))
    assert found.groups == pytest.approx(wanted)


def test_a_group_of_several_classes_is_one_group() -> None:
    # the same two classes in each of six kitchens, which are easy or hard for both
    effect = np.array([10.0, 20, 30, 40, 50, 60])
    kitchens, classes = np.repeat(np.arange(6), 4), np.tile([0, 0, 1, 1], 6)
    values = np.tile(effect[kitchens], (4, 1)) + np.where(classes == 1, 5, 0)
    found = two_way_variance(values, classes, kitchens)
    assert found.groups == pytest.approx(effect.var(ddof=1) / 6)
    assert found.freedom == pytest.approx(5)
    # as two groups each, they would pass for independent
    split = two_way_variance(values, classes, 2 * kitchens + classes)
    assert split.groups == pytest.approx(found.groups / 2)


def test_a_class_of_one_group_widens_the_interval() -> None:
    rng = np.random.default_rng(6)
    classes, groups = layout(rng, 3, 5)
    values = values_of(rng, 4, groups, {"group": 1, "noise": 1})
    lonely = np.full(4, 3), np.full(4, 99)
    more = np.concatenate([values, np.full((4, 4), 30.0)], axis=1)
    found = two_way_variance(
        more, np.concatenate([classes, lonely[0]]), np.concatenate([groups, lonely[1]])
    )
    assert found.groups > 2 * two_way_variance(values, classes, groups).groups
    # two such classes are held against each other
    pair = two_way_variance(np.tile([0.0, 0, 10, 10], (4, 1)), [0, 0, 1, 1], [0, 0, 1, 1])
    assert pair.groups == pytest.approx(25)
    assert pair.freedom == pytest.approx(1)


@pytest.mark.parametrize(
    ("values", "classes", "groups"),
    [
        (np.eye(12)[:3], np.repeat([0, 1], 6), np.arange(12)),
        (np.eye(12)[:1], np.repeat([0, 1], 6), np.arange(12)),
        (np.full((4, 12), 100 / 3), np.repeat([0, 1], 6), np.arange(12)),
        (np.eye(4), np.zeros(4), np.zeros(4)),
    ],
    ids=["three rotations", "one rotation", "all equal", "one group"],
)
def test_no_interval(values: np.ndarray, classes: np.ndarray, groups: np.ndarray) -> None:
    found = two_way_interval(values, classes, groups)
    assert found.estimate == pytest.approx(values.mean())
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_rotations_with_equal_means_have_an_interval() -> None:
    # one clip wrong in each rotation: the means are equal, the clips are not
    values = 100 * (1 - np.eye(12)[:4])
    assert math.isnan(t_interval(values.mean(axis=1)).low)
    found = two_way_interval(values, np.repeat([0, 1], 6), np.arange(12), limits=ACCURACY)
    assert found.low < found.estimate == pytest.approx(100 * 11 / 12)
    assert found.high <= 100


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="R, N >= 1"):
        two_way_interval(np.ones((4, 0)), [], [])
    with pytest.raises(ValueError, match="one of NaN alone"):
        two_way_interval([[1.0, 2.0], [np.nan, np.nan]], [0, 0], [0, 1])
    with pytest.raises(ValueError, match=r"wanted groups of 4 clips, got shape \(3,\)"):
        two_way_interval(np.ones((4, 4)), np.zeros(4), np.zeros(3))
