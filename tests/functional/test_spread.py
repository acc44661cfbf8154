"""The spread of a drop from repetitions of one variant."""

from __future__ import annotations

import numpy as np
import pytest

from diccae.functional.spread import deviation_interval, stream_spread


def test_two_streams_in_closed_form() -> None:
    # variances 2 and 8 around seeds that are far apart
    value, freedom = stream_spread([[50.0, 52.0], [80.0, 84.0]])
    assert value == pytest.approx((2 * (2 + 8) / 2) ** 0.5)
    assert freedom == 2


def test_it_estimates_the_deviation_of_a_difference_whatever_the_seeds_have_in_common() -> None:
    rng = np.random.default_rng(0)
    seeds = rng.normal(70, 5, (4000, 1))
    value, freedom = stream_spread(seeds + rng.normal(0, 0.6, (4000, 3)))
    first, second = seeds[:, 0] + rng.normal(0, 0.6, (2, 4000))
    assert value == pytest.approx((first - second).std(ddof=1), rel=0.05)
    assert freedom == 8000


def test_the_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    inside = []
    for _ in range(2000):
        low, high = deviation_interval(*stream_spread(rng.normal(0, 1.0, (4, 3))))
        inside.append(low <= 2**0.5 <= high)
    assert np.mean(inside) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize("accuracy", [[], [[1.0], [2.0]], [1.0, 2.0], [[1.0, np.nan]]])
def test_what_has_no_spread_is_refused(accuracy: list[object]) -> None:
    with pytest.raises(ValueError, match="stream_spread: wanted"):
        stream_spread(accuracy)
