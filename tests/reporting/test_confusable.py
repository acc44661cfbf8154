"""The share of errors that fall on the confusable pairs of the generator."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from diccae.plans import Plan, load_plan
from diccae.reporting import collect
from diccae.reporting.confusable import errors_on_pairs

PAIRS = {"A": [[0, 1], [1, 2]], "V": [[0, 2]], "AV": []}
# (label, prediction) of the clips of each seed
PREDICTED = {
    # of four errors, 0 for 1, 1 for 0 and 2 for 1 are on pairs of A, 0 for 2 on the pair of V
    200: [(0, 0), (0, 1), (1, 0), (2, 1), (0, 2), (2, 2)],
    # of two errors one on a pair of A, the other on none
    201: [(1, 2), (3, 0), (3, 3)],
}


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> Plan:
    def wrong_classes(_: Plan, __: str, seed: int, ___: str) -> NDArray[np.int32]:
        wrong = [(label, top1) for label, top1 in PREDICTED[seed] if label != top1]
        return np.array(wrong, np.int32).reshape(-1, 2)

    monkeypatch.setattr(collect, "wrong_classes", wrong_classes)
    monkeypatch.setattr(collect, "truth", lambda _: {"confusable_pairs": PAIRS})
    return load_plan("smoke")


def test_the_share_is_a_mean_over_seeds_of_errors_in_either_direction(plan: Plan) -> None:
    assert errors_on_pairs(plan, "full", "A") == pytest.approx((75 + 50) / 2)
    assert errors_on_pairs(plan, "full", "V") == pytest.approx((25 + 0) / 2)


def test_no_share_without_pairs_without_errors_and_for_other_data(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert math.isnan(errors_on_pairs(plan, "full", "AV"))
    monkeypatch.setitem(PREDICTED, 201, [(1, 1)])
    assert math.isnan(errors_on_pairs(plan, "full", "A"))
    monkeypatch.setattr(collect, "truth", lambda _: None)
    assert math.isnan(errors_on_pairs(plan, "full", "A"))
