"""Where figures put their words."""

from __future__ import annotations

import numpy as np

from diccae.reporting.systems import spread_out


def test_names_beside_a_plot_do_not_cover_each_other() -> None:
    found = spread_out(np.array([0.0, 0.01, 0.5, 0.97, 0.98, 0.99]), 0.07)
    assert (np.diff(found) > 0.07 - 1e-9).all()
    assert found[[0, -1]].tolist() == [0, 1]
    assert found[2] == 0.5  # one with room stays where it is
    assert spread_out(np.array([0.1]), 0.07).tolist() == [0.1]
