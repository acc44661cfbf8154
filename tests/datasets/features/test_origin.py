"""Keys by which the stored features of a clip are found."""

from __future__ import annotations

import numpy as np
import pandas as pd

from diccae.datasets.features.origin import clip_keys
from diccae.feature_settings import FeatureSource


def test_clips_have_keys_by_file_and_span_where_some_are_whole_files() -> None:
    source = FeatureSource(encoder="timm", model="test_vit", weights="vit.pth")
    table = pd.DataFrame(
        {
            "file_sha256": ["a", "a", "b", "b"],
            "start": [0.0, 0.0, 0.0, 1.5],
            "end": [np.nan, 2.0, np.nan, 2.0],
        }
    )
    keys = clip_keys(table, source)
    assert len(set(keys)) == 4
    # whatever else is listed, and in whatever order
    assert clip_keys(table.iloc[[3, 1]], source) == [keys[3], keys[1]]
    assert clip_keys(table.iloc[[2]], source) == [keys[2]]
