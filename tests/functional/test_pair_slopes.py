"""Slope of a pair's change in error on its weight, and its permutation test."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import linregress

from diccae.functional.arguments import ArgumentError
from diccae.functional.pair_slopes import mantel_pvalue, pair_errors, pair_slope

RNG = np.random.default_rng


def symmetric(rng: np.random.Generator, *shape: int) -> NDArray[np.float64]:
    values = rng.random(shape)
    return values + values.swapaxes(-1, -2)


def test_the_error_of_a_pair_by_hand() -> None:
    confusion = np.array([[6, 3, 1, 0], [1, 8, 1, 0], [0, 5, 15, 0], [0, 0, 0, 0]])
    found = pair_errors(confusion)
    assert found[0, 1] == found[1, 0] == 100 * 4 / 20
    assert found[1, 2] == 100 * 6 / 30
    assert found[0, 2] == 100 * 1 / 30
    assert found[0, 3] == 0
    assert (np.diagonal(found)[:3] == 0).all()
    assert np.isnan(pair_errors(np.zeros((2, 2), int))).all()


def test_the_exact_slope_of_a_line() -> None:
    weights = symmetric(RNG(0), 6, 6)
    change = 2.0 - 3.5 * weights
    # the diagonal is not read
    np.fill_diagonal(change, np.nan)
    assert pair_slope(weights, change) == pytest.approx(-3.5)


def test_the_slope_is_that_of_a_regression_over_the_pairs() -> None:
    weights, change = symmetric(RNG(1), 7, 7), symmetric(RNG(2), 7, 7)
    upper = np.triu_indices(7, 1)
    wanted = linregress(weights[upper], change[upper]).slope
    assert pair_slope(weights, change) == pytest.approx(wanted)
    assert pair_slope(2 * weights, change + 9) == pytest.approx(wanted / 2)


def test_names_of_classes_do_not_matter() -> None:
    weights, change = symmetric(RNG(1), 2, 7, 7), symmetric(RNG(2), 2, 7, 7)
    order = RNG(3).permutation(7)
    renamed = weights[:, order][:, :, order], change[:, order][:, :, order]
    assert pair_slope(renamed[0][0], renamed[1][0]) == pytest.approx(
        pair_slope(weights[0], change[0])
    )
    first = mantel_pvalue(weights, change, 999, RNG(0))
    assert mantel_pvalue(*renamed, 999, RNG(0)) == pytest.approx(first, abs=0.08)
    assert mantel_pvalue(weights, change, 999, RNG(0)) == first


def test_a_line_is_found_and_its_sign_does_not_matter() -> None:
    weights = symmetric(RNG(1), 3, 8, 8)
    noise = 0.1 * symmetric(RNG(2), 3, 8, 8)
    for sign in (1, -1):
        assert mantel_pvalue(weights, sign * weights + noise, 199, RNG(0)) == 1 / 200


def test_p_is_uniform_where_weights_and_errors_have_nothing_to_do_with_each_other() -> None:
    rng, found = RNG(5), []
    for _ in range(300):
        # an effect of each class, so that pairs of a class are alike and tests over pairs fail
        classes = rng.normal(size=(2, 8))
        weights, change = (
            symmetric(rng, 1, 8, 8) / 4 + effect[:, None] + effect for effect in classes
        )
        found.append(mantel_pvalue(weights, change, 99, rng))
    for level in (0.05, 0.25, 0.5, 0.75):
        assert np.mean(np.array(found) <= level) == pytest.approx(level, abs=0.075), level


def test_p_is_too_small_where_errors_of_heavy_pairs_differ_most() -> None:
    """As documented: a pair that is easily confused has a large weight and errors that differ from
    one training to the next, also where the weights do nothing."""
    rng, found = RNG(6), []
    for _ in range(200):
        weights = np.abs(symmetric(rng, 1, 8, 8)) ** 3
        found.append(mantel_pvalue(weights, weights * symmetric(rng, 1, 8, 8), 99, rng))
    assert np.mean(np.array(found) <= 0.05) > 0.15


def test_equal_weights_have_no_slope() -> None:
    weights, change = np.full((4, 4), 0.3), symmetric(RNG(0), 4, 4)
    # rounding of a mean over folds
    weights[0, 1] = weights[1, 0] = 0.3 + 1e-9
    # the weight of pairs of one class is another
    np.fill_diagonal(weights, 1)
    assert np.isnan(pair_slope(weights, change))
    both = np.stack([weights, symmetric(RNG(1), 4, 4)])
    assert np.isnan(mantel_pvalue(both, np.stack([change, change]), 9, RNG(0)))
    assert np.isnan(pair_slope(np.ones((1, 1)), np.ones((1, 1))))


def test_errors_that_do_not_differ_have_slope_0() -> None:
    weights, change = symmetric(RNG(0), 1, 5, 5), np.zeros((1, 5, 5))
    assert pair_slope(weights[0], change[0]) == 0
    assert mantel_pvalue(weights, change, 19, RNG(0)) == 1


def test_arguments_that_do_not_fit() -> None:
    weights = symmetric(RNG(0), 4, 4)
    with pytest.raises(ArgumentError, match=r"wanted the shape of the weights, \(1, 4, 4\)"):
        pair_slope(weights, weights[:3, :3])
    change = weights.copy()
    change[0, 1] = np.nan
    with pytest.raises(ArgumentError, match="change: 1 pairs of classes are not finite"):
        pair_slope(weights, change)
