"""Chances of draws without replacement."""

from __future__ import annotations

from itertools import combinations

import pytest

from diccae.functional.drawing import chance_to_meet, least_chance_to_meet


@pytest.mark.parametrize(
    ("size", "marked", "drawn", "chance"),
    [
        # one draw meets by the share of the marked; all drawn, or one marked: by the share drawn
        (500, 50, 1, 0.1),
        (500, 1, 3, 3 / 500),
        (500, 1, 500, 1.0),
        (500, 5, 3, 1 - 495 * 494 * 493 / (500 * 499 * 498)),
        (500, 0, 3, 0.0),
        (500, 5, 0, 0.0),
        # only two are not marked
        (5, 3, 3, 1.0),
    ],
)
def test_closed_forms(size: int, marked: int, drawn: int, chance: float) -> None:
    assert chance_to_meet(size, marked, drawn) == pytest.approx(chance, abs=1e-8)
    # the same with the roles of marked and drawn exchanged
    assert chance_to_meet(size, drawn, marked) == pytest.approx(chance, abs=1e-8)


def test_chance_is_that_of_all_draws_counted() -> None:
    draws = list(combinations(range(9), 4))
    met = sum(bool({0, 1} & set(draw)) for draw in draws)
    assert chance_to_meet(9, 2, 4) == pytest.approx(met / len(draws))


def test_a_forger_marks_where_little_is_drawn() -> None:
    # 2 of 10 are drawn, and 1 of 90
    assert least_chance_to_meet([10, 90], 1, [2, 1]) == pytest.approx(1 / 90)
    assert least_chance_to_meet([10, 90], 5, [2, 1]) == pytest.approx(5 / 90)
    # 99 marked of 100: one of them at least is drawn, wherever the last one is
    assert least_chance_to_meet([10, 90], 99, [2, 1]) == 1.0
    assert least_chance_to_meet([100], 7, [3]) == pytest.approx(chance_to_meet(100, 7, 3))
    slow = min(
        1 - (1 - chance_to_meet(6, a, 2)) * (1 - chance_to_meet(4, 3 - a, 1)) for a in range(4)
    )
    assert least_chance_to_meet([6, 4], 3, [2, 1]) == pytest.approx(slow)


def test_more_than_there_are() -> None:
    with pytest.raises(ValueError, match="drawn: wanted 0 to 5 items, got 6"):
        chance_to_meet(5, 1, 6)
    with pytest.raises(ValueError, match="marked: wanted 0 to 7 items, got 8"):
        least_chance_to_meet([5, 2], 8, [1, 1])
