"""The error of frames in `benchmarks/loading.py`."""

from __future__ import annotations

import numpy as np

from benchmarks.loading_decode import frame_error


def test_the_error_is_that_of_grey_levels_and_names_the_frame() -> None:
    reference = np.zeros((3, 2, 4, 3), np.uint8)
    reference[1] = 255
    assert frame_error(reference, reference) == (0.0, 0.0, 0)
    images = reference.copy()
    # unsigned differences would wrap around
    images[1, 0, 0, 0] = 0
    images[2] = 2
    values = 2 * 4 * 3
    assert frame_error(images, reference) == ((255 + 2 * values) / (3 * values), 255.0, 1)
