"""Power and numbers of seeds against a closed form, a slow simulation and published tables; spreads
from runs and from a reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from diccae.functional.bootstrap import paired_t_interval
from diccae.planning import seeds
from diccae.planning.seeds import claims_of_table2, power, power_of_primary, seeds_needed
from diccae.planning.spreads import (
    Spread,
    measured_spread,
    reference_spread,
    spread_of_streams,
)
from diccae.plans import Plan, load_plan
from diccae.reporting import collect, sources
from tests.reporting.conftest import fake, synthetic_results  # noqa: F401


def power_of_three(shift: float, level: float = 0.95) -> float:
    """Closed form of the power with three seeds, where the sample variance is exponentially
    distributed and the integral over it is one of normal densities."""
    edge = stats.t.ppf((1 + level) / 2, 2)
    a = 0.5 + 1 / edge**2

    def tail(delta: float) -> float:
        inner = np.exp(delta**2 / (4 * a) - delta**2 / 2) / np.sqrt(2 * a)
        return stats.norm.cdf(delta) - inner * stats.norm.cdf(delta / np.sqrt(2 * a))

    return tail(shift) + tail(-shift)


@pytest.mark.parametrize("ratio", [0.0, 0.3, 1.0, 2.5, 8.0])
def test_power_of_three_seeds_equals_the_closed_form(ratio: float) -> None:
    assert power(1.7 * ratio, 1.7, 3) == pytest.approx(power_of_three(ratio * 3**0.5), abs=1e-9)


@pytest.mark.parametrize(
    ("effect", "spread", "seeds"), [(1.0, 1.0, 4), (1.9, 1.3, 5), (0.5, 0.9, 12), (-2.4, 2.0, 8)]
)
def test_power_is_the_share_of_simulated_intervals_that_exclude_zero(
    effect: float, spread: float, seeds: int
) -> None:
    rng, experiments, found = np.random.default_rng(4), 4000, 0
    for _ in range(experiments):
        own = rng.normal(60, 3, seeds)
        interval = paired_t_interval(own + rng.normal(effect, spread, seeds), own)
        found += not interval.low <= 0 <= interval.high
    error = (0.25 / experiments) ** 0.5
    assert power(effect, spread, seeds) == pytest.approx(found / experiments, abs=4 * error)


def test_power_without_effect_is_the_significance_level_and_one_seed_gives_nan() -> None:
    assert power(0, 2, 7) == pytest.approx(0.05)
    assert np.isnan(power(1, 1, 1))
    assert power(1, 0, 2) == 1
    assert power(0, 0, 2) == 0


def test_power_grows_with_the_effect_and_with_the_seeds() -> None:
    ratios = np.concatenate([np.linspace(0, 12, 61), [30, 1e3, 1e15]])
    numbers = [2, 3, 4, 5, 7, 10, 16, 33, 100, 1000, 10**6]
    table = np.array([[power(ratio, 1, seeds) for seeds in numbers] for ratio in ratios])
    assert np.isfinite(table).all()
    assert (np.diff(table, axis=0) > -1e-8).all()
    assert (np.diff(table[1:], axis=1) > -1e-8).all()


def test_seeds_needed_grow_with_the_spread() -> None:
    needed = [seeds_needed(2.4, spread) for spread in (0.01, 0.3, 0.44, 0.84, 1.3, 2.9, 5.3)]
    assert None not in needed
    assert needed == sorted(needed)
    assert needed[0] == 4


# the paired t-test, two-sided 5 %, power 80 %, from published tables of sample sizes
@pytest.mark.parametrize(("ratio", "seeds"), [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10)])
def test_seeds_needed_equal_published_tables(ratio: float, seeds: int) -> None:
    assert seeds_needed(3 * ratio, 3) == seeds


@pytest.mark.parametrize(("effect", "spread"), [(0.5, 2.9), (1.4, 0.4), (3.9, 2.0)])
def test_one_seed_less_has_too_little_power(effect: float, spread: float) -> None:
    seeds = seeds_needed(effect, spread)
    assert seeds is not None
    assert power(effect, spread, seeds) >= 0.8
    assert seeds == 4 or power(effect, spread, seeds - 1) < 0.8


def test_seeds_needed_for_extreme_effects_and_spreads() -> None:
    assert seeds_needed(1, 0) == 4
    assert seeds_needed(1000, 1) == 4
    assert seeds_needed(1, 1e-15) == 4
    assert seeds_needed(0, 1) is None
    with pytest.raises(ValueError, match="wanted a spread >= 0, got nan"):
        seeds_needed(1, float("nan"))


def test_the_interval_of_a_spread_has_its_nominal_coverage() -> None:
    draws = np.random.default_rng(1).normal(0, 2.0, (2000, 4)).std(axis=1, ddof=1)
    inside = [
        low <= 2.0 <= high
        for low, high in (Spread(float(draw), 4, "", 3).interval() for draw in draws)
    ]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.02)


def uneven(plan: Plan, variant: str, modality: str, seeds: list[int]) -> np.ndarray:
    """Accuracies whose drops differ between seeds."""
    return 50 + np.array(seeds, dtype=float) ** (2 if variant == plan.reference else 1)


def test_finished_runs_give_the_spread_of_the_paired_drops(
    fake: Plan,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # every run is right about one more clip with each seed, so all drops of a variant are the same
    assert measured_spread(fake, "no_infonce", "AV") is None
    monkeypatch.setattr(collect, "accuracy", uneven)
    spread = measured_spread(fake, "no_infonce", "AV")
    assert spread is not None
    drops = [seed**2 - seed for seed in fake.seeds]
    assert (spread.value, spread.seeds) == (pytest.approx(np.std(drops, ddof=1)), len(drops))
    for seed in fake.seeds[1:]:
        (fake.run_folder("no_infonce", seed, modality="AV") / "metrics.json").unlink()
    assert measured_spread(fake, "no_infonce", "AV") is None
    assert measured_spread(fake, "no_refinement", "AV") is not None


def test_the_spread_of_the_reference_is_that_of_its_modality(tmp_path: Path) -> None:
    row = {"modality": ["A"], "seeds": 4, "streams": 3, "spread": 0.7, "degrees_of_freedom": 8}
    pd.DataFrame(row).to_csv(tmp_path / "spread.csv")
    spread = reference_spread("A", tmp_path / "spread.csv")
    assert spread is not None
    assert (spread.value, spread.seeds, spread.freedom) == (0.7, 4, 8)
    assert reference_spread("AV", tmp_path / "spread.csv") is None
    assert reference_spread("A", tmp_path / "none.csv") is None


def test_spreads_come_from_finished_runs_and_otherwise_from_the_reference(
    fake: Plan,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(collect, "accuracy", uneven)
    (fake.run_folder("no_infonce", 0, modality="AV") / "metrics.json").unlink()
    (fake.run_folder("no_infonce", 1, modality="AV") / "metrics.json").unlink()
    rows = {(row.variant, row.modality): row for row in claims_of_table2(fake)}
    assert len(rows) == 10
    assert rows["no_kmeans_audioset", "AV"].effect == 3.3
    own, other = rows["no_refinement", "AV"].spread, rows["no_infonce", "AV"].spread
    assert own is not None
    assert other is not None
    assert own.origin.startswith("this plan's finished runs")
    assert other.origin.endswith("(results/reference/spread/spread.csv)")
    row = rows["no_refinement", "AV"]
    # seven primary rows, whose verdicts hold together
    assert row.level == pytest.approx(1 - 0.05 / 7)
    assert row.seeds == seeds_needed(row.effect, own.value, row.level)
    assert rows["no_refinement", "A"].level == 0.95


def test_one_variant_in_several_streams_comes_before_the_reference(
    fake: Plan,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    accuracies = {"full": 70.0, "full@stream=1": 71.0, "full@stream=2": 72.0}
    plan, finished = load_plan("spread"), {300, 301}

    def accuracy(plan: Plan, variant: str, modality: str, seeds: list[int]) -> np.ndarray:
        return accuracies[variant] + np.array(seeds, dtype=float)

    monkeypatch.setattr(collect, "accuracy", accuracy)
    monkeypatch.setattr(sources, "is_finished", lambda _, __, seed, ___: seed in finished)
    found = spread_of_streams(plan, "AV")
    assert found is not None
    assert (found.value, found.seeds, found.freedom) == (pytest.approx(2**0.5), 2, 4)
    assert spread_of_streams(plan, "V") is None
    # no run of this plan is finished
    spreads_of_rows = {row.spread for row in claims_of_table2(fake)}
    assert {each.origin for each in spreads_of_rows if each} == {
        "one variant in 3 random streams (plan spread)"
    }
    finished.clear()
    assert spread_of_streams(plan, "AV") is None
    assert spread_of_streams(fake, "AV") is None


def test_the_power_of_the_primary_rows_is_that_of_their_simultaneous_interval(
    fake: Plan,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def spread(_: Plan, variant: str, modality: str) -> Spread | None:
        return Spread(0.6, 9, "", 8) if variant == "no_infonce" else None

    monkeypatch.setattr(seeds, "spread_of", spread)
    assert fake.table2
    table2 = fake.table2
    found = power_of_primary(fake.model_copy(update={"seeds": list(range(10))}))
    # the paper prints nothing of flat_mean, and there is no spread of it
    assert [(row.effect, row.power) for row in found if row.variant == "flat_mean"] == [(1.0, [])]
    smallest, printed = (row for row in found if row.variant == "no_infonce")
    assert (smallest.effect, printed.effect) == (1.0, 3.9)
    assert smallest.spread == printed.spread == 0.6
    assert smallest.seeds == [4, 6, 8, 10, 12, 16, 24]
    wanted = [power(1.0, 0.6, seeds, 1 - 0.05 / 7) for seeds in smallest.seeds]
    assert smallest.power == pytest.approx(wanted)
    table2 = table2.model_copy(update={"modalities": ["A"]})
    assert power_of_primary(fake.model_copy(update={"table2": table2})) == []
