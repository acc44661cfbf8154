"""The smallest visible difference has no number where the interval has none."""

from __future__ import annotations

import numpy as np
import pandas as pd

from diccae.plans import load_plan
from diccae.reporting.intervals import difference_interval
from diccae.reporting.visible import visible_difference


def test_differences_that_are_equal_but_for_rounding_show_nothing() -> None:
    plan, clips = load_plan("embedded"), pd.DataFrame({"label": [0, 0, 0], "group": list("abc")})
    right = np.array([[1, 1, 0], [1, 1, 1], [1, 1, 0], [1, 1, 1]], bool)
    worse = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 0], [1, 1, 0]], bool)
    drops = 100 * right.mean(axis=1) - 100 * worse.mean(axis=1)
    assert len(set(drops)) > 1
    assert np.isnan(difference_interval(plan, clips, right, worse).low)
    assert np.isnan(visible_difference(plan, clips, right, worse))
    right[0] = True
    assert visible_difference(plan, clips, right, worse) > 0
