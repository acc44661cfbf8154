"""The rank correlations of the table of feature quality."""

from __future__ import annotations

import math
import warnings

import pytest

from diccae.reporting.diagnostics import rank_correlation


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
