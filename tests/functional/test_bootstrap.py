"""Intervals and tests against SciPy, hand values and what a bootstrap must do."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from diccae.functional.bootstrap import (
    ACCURACY,
    DIFFERENCE,
    clip_bootstrap,
    paired_clip_bootstrap,
    paired_t_interval,
    paired_t_pvalue,
    t_interval,
)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_t_interval_equals_scipy() -> None:
    values = generator().normal(60, 2, size=5)
    low, high = stats.t.interval(0.9, 4, loc=values.mean(), scale=stats.sem(values))
    assert t_interval(values, 0.9) == pytest.approx((values.mean(), low, high))


@pytest.mark.parametrize("values", [[61.5], [60.0, 61.0], [60.0, 61.0, 63.5]])
def test_fewer_than_four_seeds_have_no_interval_and_no_p(values: list[float]) -> None:
    for interval in (t_interval(values), paired_t_interval(values, np.zeros(len(values)))):
        assert interval.estimate == pytest.approx(np.mean(values))
        assert math.isnan(interval.low)
        assert math.isnan(interval.high)
    assert math.isnan(paired_t_pvalue(values, np.zeros(len(values))))
    with pytest.raises(ValueError, match="S >= 1"):
        t_interval([])


@pytest.mark.parametrize("seeds", [4, 12])
@pytest.mark.parametrize("clips", [0, 1, -7])
def test_equal_differences_have_no_interval_and_no_p(seeds: int, clips: int) -> None:
    # accuracies of 15,446 clips in percent: the differences are equal but for rounding
    right = generator().integers(8000, 12000, seeds)
    first, second = 100 * (right + clips) / 15446, 100 * right / 15446
    interval = paired_t_interval(first, second)
    assert interval.estimate == pytest.approx(100 * clips / 15446)
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)
    assert math.isnan(t_interval(first - second).low)
    assert math.isnan(paired_t_pvalue(first, second))
    # one clip of one seed is a spread
    first[0] += 100 / 15446
    assert math.isfinite(t_interval(first - second).low)
    assert paired_t_pvalue(first, second) > 0


def test_an_interval_ends_at_its_limits() -> None:
    free = t_interval([0.0, 100.0, 50.0, 100.0])
    assert free.high > 100
    assert t_interval([0.0, 100.0, 50.0, 100.0], limits=ACCURACY) == (62.5, 0, 100)
    low = paired_t_interval([0.0, 0, 0, 50], [100.0, 50, 100, 100], limits=DIFFERENCE)
    assert (low.estimate, low.low) == (-75, -100)
    assert t_interval([60.0, 61, 62, 63], limits=ACCURACY) == t_interval([60.0, 61, 62, 63])


def test_pairing_takes_the_seed_out() -> None:
    seed_effect = np.array([50.0, 60, 70, 80])
    drop = np.array([1.0, 1.2, 0.8, 1.1])
    paired = paired_t_interval(seed_effect + drop, seed_effect)
    wanted = stats.ttest_rel(seed_effect + drop, seed_effect).confidence_interval(0.95)
    assert paired == pytest.approx((drop.mean(), wanted.low, wanted.high))
    assert paired.low > 0 > t_interval(seed_effect + drop).low - seed_effect.mean()


def test_paired_p_value_equals_scipy() -> None:
    a, b = generator().normal(size=(2, 6))
    assert paired_t_pvalue(a, b) == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert paired_t_pvalue(a, b) == paired_t_pvalue(b, a)
    with pytest.raises(ValueError, match="one value a seed in both, got 2 and 3"):
        paired_t_pvalue([1, 2], [1, 2, 3])


def test_clip_interval_matches_the_binomial() -> None:
    correct = np.arange(2000) < 1300
    estimate, low, high = clip_bootstrap(correct, n=4000, rng=generator())
    half = 1.96 * math.sqrt(0.65 * 0.35 / 2000)
    assert estimate == 0.65
    assert (low, high) == pytest.approx((0.65 - half, 0.65 + half), abs=0.1 * half)


def test_clip_interval_matches_drawing_clips_one_by_one() -> None:
    rng = generator(1)
    correct, strata = rng.random((3, 120)) < 0.7, np.arange(120) % 4
    draws = []
    for _ in range(3000):
        chosen = np.concatenate([rng.choice(np.flatnonzero(strata == c), 30) for c in range(4)])
        draws.append(correct[:, chosen].mean())
    low, high = np.quantile(draws, [0.025, 0.975])
    got = clip_bootstrap(correct, strata, n=3000, rng=generator(2))
    assert got == pytest.approx((correct.mean(), low, high), abs=0.006)


def test_strata_keep_their_share() -> None:
    # right on one class and wrong on the other: nothing is left to chance once classes keep their
    # sizes
    correct, strata = np.repeat([True, False], 50), np.repeat([0, 1], 50)
    assert clip_bootstrap(correct, strata, rng=generator()) == (0.5, 0.5, 0.5)
    free = clip_bootstrap(correct, rng=generator())
    assert free.high - free.low > 0.1


def test_paired_clips_cancel_what_both_get_wrong() -> None:
    rng = generator(3)
    second = rng.random(1000) < 0.5
    first = second | (np.arange(1000) < 20)
    paired = paired_clip_bootstrap(first, second, rng=generator())
    assert paired.estimate == pytest.approx(first.mean() - second.mean())
    assert paired.low > 0
    assert paired.high - paired.low < 0.25 * (
        clip_bootstrap(first, rng=generator()).high - clip_bootstrap(first, rng=generator()).low
    )
    assert paired_clip_bootstrap(first, first, rng=generator()) == (0, 0, 0)


def test_bootstraps_follow_their_generator_alone() -> None:
    correct = generator().random((2, 200)) < 0.5
    np.random.seed(0)
    first = clip_bootstrap(correct, rng=generator(4))
    np.random.seed(1)
    assert clip_bootstrap(correct, rng=generator(4)) == first
    assert clip_bootstrap(correct, rng=generator(5)) != first


def test_bootstrap_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="a stratum for each of 4 clips, got 3"):
        clip_bootstrap(np.ones(4), np.zeros(3), rng=generator())
    with pytest.raises(ValueError, match="same clips in both, got 4 and 5"):
        paired_clip_bootstrap(np.ones(4), np.ones(5), rng=generator())
    with pytest.raises(ValueError, match="N >= 1"):
        clip_bootstrap(np.ones((2, 0)), rng=generator())


def test_the_module_stays_free_of_torch() -> None:
    code = (
        "import sys, diccae.functional.bootstrap; "
        "print([m for m in ('torch', 'faiss', 'mmengine') if m in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )
