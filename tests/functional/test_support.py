"""Supports over resamplings of the seeds, against loops over every resampling."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from diccae.functional import support
from diccae.functional.support import extreme_support, order_support, two_way_support
from diccae.functional.two_way import two_way_variance


def slow_support(drops: np.ndarray, order: list[int] | None, column: int) -> float:
    """Every draw of S out of S seeds, in whole numbers, so that a tie is a tie."""
    seeds, held = len(drops), 0.0
    for pick in product(range(seeds), repeat=seeds):
        sums = [sum(int(drops[seed, v]) for seed in pick) for v in range(drops.shape[1])]
        if order is not None:
            steps = [sums[a] - sums[b] for a, b in zip(order, order[1:], strict=False)]
        else:
            steps = [sums[column] - value for v, value in enumerate(sums) if v != column]
        held += 1.0 if min(steps) > 0 else 0.5 if min(steps) == 0 else 0.0
    return held / seeds**seeds


@pytest.mark.parametrize("seed", range(3))
def test_supports_equal_the_loop_over_every_resampling(seed: int) -> None:
    # few different values, so that many resamplings tie; scaled by clips, as accuracies are
    drops = np.random.default_rng(seed).integers(-1, 3, size=(5, 3))
    scaled = 100 * drops / 15446
    assert order_support(scaled, [2, 0, 1]) == pytest.approx(slow_support(drops, [2, 0, 1], 0))
    for column in range(3):
        wanted = slow_support(drops, None, column)
        assert extreme_support(scaled, column) == pytest.approx(wanted, abs=1e-12)


def test_two_variants_share_the_whole_support() -> None:
    drops = np.random.default_rng(0).integers(0, 2, size=(6, 2))
    assert extreme_support(drops, 0) + extreme_support(drops, 1) == pytest.approx(1)
    tied = np.array([[1.0, 1.0], [2.0, 2.0], [0.5, 0.5], [1.0, 1.0], [3.0, 2.0]])
    # a resampling ties unless it takes the last seed
    assert extreme_support(tied, 0) == pytest.approx(1 - 0.5 * (4 / 5) ** 5)


def test_clear_orders() -> None:
    drops = np.array([[5.0, 3, 1], [6, 4, 1.5], [5.5, 3.5, 0.5], [5, 4, 1]])
    assert order_support(drops, [0, 1, 2]) == pytest.approx(1)
    assert order_support(drops, [1, 0, 2]) == 0
    assert extreme_support(-drops, 2) == pytest.approx(1)


def test_more_seeds_than_can_be_enumerated_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    drops = np.random.default_rng(1).integers(-1, 3, size=(5, 3))
    exact = order_support(drops, [0, 1, 2])
    monkeypatch.setattr(support, "ENUMERATED", 10)
    drawn = order_support(drops, [0, 1, 2], rng=np.random.default_rng(0))
    assert drawn == pytest.approx(exact, abs=0.01)
    assert drawn != exact


def test_too_few_seeds_and_equal_seeds_have_no_support() -> None:
    assert math.isnan(order_support([[2.0, 1.0], [2.0, 0.0], [3.0, 1.0]], [0, 1]))
    assert math.isnan(extreme_support([[2.0, 1.0]] * 4, 0))
    with pytest.raises(ValueError, match=r"wanted \(S, V\) drops"):
        order_support(np.ones(4), [0, 1])
    with pytest.raises(ValueError, match="at least two columns"):
        order_support(np.ones((4, 2)), [0])


def test_groups_and_rotations_are_drawn() -> None:
    rng = np.random.default_rng(0)
    classes, groups = np.repeat([0, 1], 20), np.arange(40) // 2
    # one step of a normal mean: the support is a normal probability
    step = 2 + 5 * rng.normal(size=20)[groups] + rng.normal(size=(6, 1)) * np.ones(40)
    found = two_way_support([step], classes, groups, draws=20_000)
    variance = two_way_variance(step, classes, groups)
    spread = (variance.groups + variance.rotations * 5 / 6) ** 0.5
    assert found == pytest.approx(stats.norm.cdf(step.mean() / spread), abs=0.02)
    # seeds alone would be sure
    assert extreme_support(np.stack([step.mean(axis=1), np.zeros(6)], axis=1), 0) > found + 0.02
    both = two_way_support([step, -step], classes, groups)
    assert both == 0
    assert two_way_support([np.zeros_like(step), step], classes, groups) == pytest.approx(
        found / 2, abs=0.02
    )


def test_too_few_rotations_and_no_spread_have_no_two_way_support() -> None:
    classes, groups = np.repeat([0, 1], 4), np.arange(8) // 2
    varied = np.random.default_rng(0).normal(size=(1, 4, 8))
    assert math.isfinite(two_way_support(varied, classes, groups))
    assert math.isnan(two_way_support(varied[:, :3], classes, groups))
    assert math.isnan(two_way_support(varied, classes, np.zeros(8)))
    assert math.isnan(two_way_support(np.full((1, 4, 8), 0.1), classes, groups))
    with pytest.raises(ValueError, match=r"wanted \(K, R, N\) steps"):
        two_way_support(np.ones((4, 8)), classes, groups)
