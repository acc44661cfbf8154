"""Keys by which the stored features of a clip are found."""

from __future__ import annotations

import numpy as np
import pandas as pd

from diccae.datasets.features.origin import clip_keys, stated
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


def test_features_of_pictures_are_other_ones_where_these_were_stored_as_jpeg() -> None:
    source = FeatureSource(encoder="timm", model="test_vit", weights="vit.pth")
    cache = {"frame_size": 36, "num_frames": 2, "n_mels": 8, "fbank_frames": 8, "decoder": "pyav"}
    packed = {**cache, "format": "jpeg"}
    assert "cache.format" not in stated("video", source, cache)
    assert stated("video", source, packed)["cache.format"] == "jpeg"
    assert stated("audio", source, packed) == stated("audio", source, cache)
