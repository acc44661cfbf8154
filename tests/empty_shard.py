"""A shard with all of its parts and nothing in them, for tests of what reads few of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from diccae.reporting.shard_file import write_shard
from diccae.reporting.shards import ARRAYS, BELOW, PARTS


def write_empty_shard(path: Path, **about: Any) -> None:
    """Write one, with `about` in the place of its own parts."""
    empty: dict[str, Any] = {key: {} for key in PARTS} | {"seed": 0}
    empty |= {key: [] for key in ("runs", "views", "degrees", "clusters")}
    for key, names in BELOW.items():
        empty[key] = {name: [] for name in names} | about.pop(key, {})
    shapes = {"label": (0,), "fold": (0,), "in_update": (0, 0), "degree": (0, 0)}
    arrays = {name: np.zeros(shapes.get(name, (0, 0, 0)), np.int8) for name in ARRAYS}
    write_shard(path, empty | about, arrays | {"in_update": np.zeros((0, 0), bool)})
