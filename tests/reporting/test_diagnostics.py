"""The table of feature quality and its rank correlations."""

from __future__ import annotations

import math
import warnings
from itertools import permutations

import numpy as np
import pytest
from scipy.stats import spearmanr

from diccae.plans import Plan
from diccae.reporting import collect, degrees
from diccae.reporting.diagnostics import (
    feature_quality,
    largest_rank_correlation,
    rank_correlation,
)
from tests.reporting.conftest import CLASSES


@pytest.mark.parametrize(
    "pair", [([1.0, 1.0, 1.0], [1, 2, 3]), ([1, 2, 3], [0, 0, 0]), ([1, 2], [1, 2]), ([], [])]
)
def test_a_constant_side_or_two_values_have_no_correlation(
    pair: tuple[list[float], list[float]],
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert math.isnan(rank_correlation(*pair))


def test_ranks_of_values_in_another_order() -> None:
    assert rank_correlation([1, 2, 3, 4], [10, 30, 20, 40]) == pytest.approx(0.8)


def test_ties_on_one_side_limit_a_rank_correlation() -> None:
    first, second = [0.3, 0.1, 0.2, 0.4, 0.5], [0, 0, 0, 0, 1]
    every = [rank_correlation(first, order) for order in set(permutations(second))]
    assert largest_rank_correlation(first, second) == pytest.approx(max(every))
    assert max(every) == pytest.approx(0.5**0.5)
    assert largest_rank_correlation(first, first[::-1]) == pytest.approx(1)
    assert math.isnan(largest_rank_correlation(first, [1] * 5))


def test_a_row_of_feature_quality_is_of_one_run(
    fake: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fake.table2 is not None
    section = fake.table2.model_copy(update={"variants": ["full", "no_infonce", "no_kmeans"]})
    others = ("sensitivity", "cluster_ce", "figure2", "figure3", "mechanism", "leakage")
    none = dict.fromkeys((*others, "learning_rates", "table1", "controls"))
    plan = fake.model_copy(update=none | {"table2": section})
    table = feature_quality(plan)
    assert len(table) == 3 * len(section.modalities) * len(plan.seeds)
    ceilings = dict(zip(table["modality"], table["bayes_ceiling"], strict=True))
    assert (ceilings["A"], ceilings["AV"]) == (64, 94)
    row = table.set_index(["variant", "modality", "seed"]).loc["no_infonce", "A", 2]
    with np.load(plan.run_folder("no_infonce", 2, modality="A") / "confusion.npz") as arrays:
        values = arrays["test_degree"][np.triu_indices(CLASSES, 1)]
    assert row["degree_mean"] == pytest.approx(values.mean())
    assert row["degree_variance"] == pytest.approx(np.mean((values - values.mean()) ** 2))
    # over the runs of its modality
    audio = table[table["modality"] == "A"]
    wanted = spearmanr(audio["degree_mean"], audio["top1"]).statistic
    assert row["spearman_degree_top1"] == pytest.approx(wanted)


def test_the_degrees_of_each_fold_are_held_against_the_truth(
    fake: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = collect.truth(fake)
    assert truth is not None
    degree = np.array(truth["confusability"]["AV"])
    monkeypatch.setattr(type(fake), "folds", (1, 2))
    monkeypatch.setattr(degrees, "degree", lambda *run: np.stack([degree, degree]))
    monkeypatch.setattr(collect, "accuracy", lambda *run, **options: [50.0])
    assert set(feature_quality(fake)["spearman_truth"].round(9)) == {1.0}


def test_rows_of_a_confusion_matrix_are_true_classes(fake: Plan) -> None:
    matrix = degrees.confusion_matrix(fake, "full", 0, "AV")
    wrong = np.roll(np.eye(CLASSES, dtype=bool), 1, axis=1)
    # the synthetic runs take a class for the next one
    assert matrix[wrong].sum() == 48
    assert not matrix[~wrong & ~np.eye(CLASSES, dtype=bool)].any()
