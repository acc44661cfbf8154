"""The rank correlations of the table of feature quality."""

from __future__ import annotations

import math
import warnings
from itertools import permutations

import pytest

from diccae.reporting.diagnostics import largest_rank_correlation, rank_correlation


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
