"""The smallest difference that seeds show."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from diccae.functional.power import smallest_visible, visible_by_error


@pytest.mark.parametrize("seeds", [4, 10])
def test_intervals_of_simulated_seeds_exclude_zero_with_the_stated_power(seeds: int) -> None:
    true = smallest_visible(2.0, seeds)
    drawn = np.random.default_rng(0).normal(true, 2.0, (40_000, seeds))
    half = stats.t.ppf(0.975, seeds - 1) * stats.sem(drawn, axis=1)
    # three standard errors of a share of 0.8
    assert (drawn.mean(axis=1) > half).mean() == pytest.approx(0.8, abs=0.006)


def test_it_is_in_the_unit_of_the_spread_and_falls_with_more_seeds() -> None:
    assert smallest_visible(6.0, 5) == pytest.approx(3 * smallest_visible(2.0, 5))
    visible = [smallest_visible(1.0, seeds) for seeds in (4, 5, 10, 100)]
    assert visible == sorted(visible, reverse=True)
    # many seeds: the normal quantiles
    wanted = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) / 100
    assert smallest_visible(1.0, 10_000) == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize(("spread", "seeds"), [(1.0, 3), (0.0, 4), (float("nan"), 4)])
def test_without_seeds_or_spread_nothing_is_known(spread: float, seeds: int) -> None:
    assert np.isnan(smallest_visible(spread, seeds))


def test_a_standard_error_with_its_degrees_of_freedom_stands_for_seeds() -> None:
    assert visible_by_error(2.0 / 5**0.5, 4) == pytest.approx(smallest_visible(2.0, 5))
    # of a two-way variance they are no whole number, and there may be few
    steps = [visible_by_error(1.0, freedom) for freedom in (1, 3, 3.5, 4, 1e6)]
    assert steps == sorted(steps, reverse=True)
    for error, freedom in ((0.0, 4), (float("nan"), 4), (1.0, float("nan"))):
        assert np.isnan(visible_by_error(error, freedom))
