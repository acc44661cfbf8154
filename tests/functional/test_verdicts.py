"""Verdict rules on intervals whose place is known, and their error rates on made-up numbers."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.verdict_errors import drops, ends, fixed_weight, order, primary
from diccae.functional.bootstrap import t_interval
from diccae.functional.verdicts import (
    ALARM,
    AS_EXPECTED,
    CONFIRMED,
    CONTRADICTED,
    NO_EFFECT,
    OPPOSITE,
    SAME,
    SMALLER,
    TOO_FEW,
    best_of_others,
    judge_gaps,
    judge_interval,
    judge_null,
    simultaneous_level,
)

NAN = float("nan")
REPETITIONS = 20_000


def words(found: dict[str, np.ndarray]) -> list[str]:
    return [word for word, holds in found.items() if holds]


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.2, 3.0, [SAME]),
        (0.2, 2.0, [SAME, SMALLER]),
        (0.2, 0.9, [SAME, NO_EFFECT]),
        (-0.9, 0.9, [NO_EFFECT]),
        (-0.9, -0.2, [OPPOSITE, NO_EFFECT]),
        (-3.0, -0.2, [OPPOSITE]),
        (-1.1, 0.9, [SMALLER]),
        (-0.9, 2.4, [TOO_FEW]),
        (0.0, 2.4, [TOO_FEW]),
        (NAN, NAN, [TOO_FEW]),
    ],
)
def test_the_place_of_an_interval_is_its_verdict(
    low: float, high: float, verdict: list[str]
) -> None:
    assert words(judge_interval(low, high, 1.0, 2.4)) == verdict
    # without a smallest effect and a printed one, only directions are left
    direction = [word for word in verdict if word in (SAME, OPPOSITE)] or [TOO_FEW]
    assert words(judge_interval(low, high)) == direction


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        ([0.1, 0.2], [3.0, 3.0], [CONFIRMED]),
        ([0.0, 0.2], [3.0, 3.0], [TOO_FEW]),
        ([0.1, -3.0], [3.0, -0.1], [CONTRADICTED]),
        ([0.1, NAN], [3.0, NAN], [TOO_FEW]),
        ([NAN, -3.0], [NAN, -0.1], [CONTRADICTED]),
    ],
)
def test_an_order_needs_every_gap_and_falls_with_one(
    low: list[float], high: list[float], verdict: list[str]
) -> None:
    assert words(judge_gaps(np.array(low), np.array(high))) == verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.1, 0.3, [AS_EXPECTED]),
        (0.0, 0.3, [AS_EXPECTED]),
        (0.1, 0.3, [ALARM]),
        (-0.3, -0.1, [ALARM]),
        (NAN, NAN, [TOO_FEW]),
    ],
)
def test_a_difference_that_must_be_zero(low: float, high: float, verdict: list[str]) -> None:
    assert words(judge_null(low, high)) == verdict


def test_levels_of_a_family() -> None:
    assert simultaneous_level(1) == 0.95
    assert simultaneous_level(7) == pytest.approx(1 - 0.05 / 7)
    with pytest.raises(ValueError, match="at least one row, got 0"):
        simultaneous_level(0)


def test_the_best_of_others_never_sees_its_seed() -> None:
    rng = np.random.default_rng(0)
    # few different values, so that some variants tie
    validation, scores = rng.integers(0, 3, (4, 5)), rng.normal(size=(4, 5, 2))
    found = best_of_others(validation.astype(float), scores)
    for seed in range(5):
        others = [sum(int(v) for s, v in enumerate(row) if s != seed) for row in validation]
        tied = [scores[v, seed] for v, total in enumerate(others) if total == max(others)]
        assert found[seed] == pytest.approx(np.mean(tied, axis=0))
    with pytest.raises(ValueError, match="at least two seeds, got 1"):
        best_of_others(np.ones((3, 1)), np.ones((3, 1)))


def near(share: float, wanted: float) -> bool:
    """Whether a simulated share may have this probability, at four standard errors."""
    return abs(share - wanted) < 4 * (wanted * (1 - wanted) / REPETITIONS) ** 0.5


def at_most(share: float, wanted: float) -> bool:
    return share < wanted or near(share, wanted)


def test_the_simulated_intervals_are_those_of_the_tables() -> None:
    values = np.random.default_rng(0).normal(size=(3, 6))
    low, high = ends(values, 0.9)
    for row, sample in enumerate(values):
        assert (low[row], high[row]) == pytest.approx(t_interval(sample, 0.9)[1:])


@pytest.mark.parametrize("seeds", [4, 12])
def test_error_rates_of_the_primary_rows(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    found = primary(rng, [0.0] * 7, seeds, REPETITIONS)
    # each row errs with 0.05/7, and some row with less than 0.05, since the rows are correlated
    assert near(found[SAME][0] + found[OPPOSITE][0], 0.05 / 7)
    assert 0.03 < found[SAME][1] + found[OPPOSITE][1] < 0.055
    # one end of the interval alone can err here
    for size in (1.0, 0.5):
        assert at_most(primary(rng, [size] * 7, seeds, REPETITIONS, size)[NO_EFFECT][1], 0.025)
    assert at_most(primary(rng, [1.4] * 7, seeds, REPETITIONS, 1.0, 1.4)[SMALLER][1], 0.025)
    single = primary(rng, [0.0], seeds, REPETITIONS, level=0.95)
    assert near(single[SAME][0] + single[OPPOSITE][0], 0.05)


@pytest.mark.parametrize("seeds", [4, 12])
def test_error_rates_of_the_controls(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    alarms = judge_null(*ends(drops(rng, [0.0], seeds, REPETITIONS), 0.95))[ALARM]
    assert near(float(alarms.mean()), 0.05)
    # one end of the interval alone can err here
    small = primary(rng, [1.0], seeds, REPETITIONS, level=0.95)
    assert at_most(small[NO_EFFECT][0], 0.025)


@pytest.mark.parametrize("seeds", [4, 12])
def test_error_rates_of_an_order(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    # two neighbours tie and no other gap is in doubt: the worst case, at the level itself
    assert near(order(rng, [40.0, 20, 20, 0], seeds, REPETITIONS)[CONFIRMED], 0.05)
    assert order(rng, [0.0] * 4, seeds, REPETITIONS)[CONFIRMED] < 0.001
    assert at_most(order(rng, [0.0] * 4, seeds, REPETITIONS)[CONTRADICTED], 0.025)
    assert near(order(rng, [0.0, 0.0], seeds, REPETITIONS)[CONTRADICTED], 0.025)


def test_choosing_without_the_scored_seed_has_no_bias() -> None:
    found = fixed_weight(np.random.default_rng(0), 4, 500)
    # a standard error of 0.02 points
    assert abs(found["without the scored seed"][0]) < 0.08
    assert found["on the same seeds"][0] < -0.2
