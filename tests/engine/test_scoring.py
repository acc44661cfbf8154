"""What is said of test clips that give no degrees of confusion."""

from __future__ import annotations

import numpy as np

from diccae.engine.scoring import unknown_degrees


def test_classes_without_a_circle_are_named() -> None:
    assert unknown_degrees(np.array([1, 40, 0, 2])) == (
        "fewer than 2 test clips of 2 of 4 classes, so that degrees of confusion are unknown, and "
        "count as 0: class 0, 2"
    )
