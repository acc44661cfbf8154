"""Whether manifest and truth of a rendered benchmark are those of its seed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from diccae.datasets.benchmark.designs import design_of
from diccae.datasets.benchmark.spec import BenchmarkSpec, as_described, tables
from diccae.datasets.benchmark.truth import truth
from diccae.errors import UserError

known_truth = lru_cache(truth)
# floats of another processor may differ in the last place
TOLERANCE = 1e-9


def rendered_differences(root: Path) -> Iterator[tuple[Path, str]]:
    """Draw the benchmark again and compare its manifest and truth with the files.

    A folder without `clips/spec.json` was not rendered, or was copied without its clips; it is not
    checked.

    Args:
        root: folder of the benchmark.

    Yields:
        Each file that differs, and where.
    """
    marker = root / "clips" / "spec.json"
    if not marker.is_file():
        return
    manifest = root / "manifest.parquet"
    try:
        stated = as_described(json.loads(marker.read_text()))
        design = design_of(stated["design"])
        splits = pd.read_parquet(manifest, columns=["split"])["split"].value_counts()
        counts = {str(split): int(count) for split, count in splits.items()}
        digests = {split: _digests(root / "clips" / f"{split}.json") for split in counts}
        listed, hidden = tables(BenchmarkSpec(counts, stated["seed"], design), digests)
    except (OSError, ValueError, KeyError, UserError):
        yield manifest, f"is not that of the clips in {marker.parent}"
        return
    for path, wanted in ((manifest, listed), (root / "truth.parquet", hidden)):
        try:
            words = _difference(pd.read_parquet(path), wanted)
        except (OSError, ValueError):
            words = "is missing or damaged"
        if words:
            yield path, words
    path = root / "truth.json"
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        yield path, "is missing or damaged"
        return
    for key, value in known_truth(design).items():
        if not _same(known.get(key), value):
            yield path, f"{key} is not what the benchmark has"


def _digests(path: Path) -> dict[str, dict[str, object]]:
    return json.loads(path.read_text())


def _difference(stated: pd.DataFrame, wanted: pd.DataFrame) -> str:
    """The first cell that differs, in words; empty where there is none."""
    if list(stated) != list(wanted) or len(stated) != len(wanted):
        return "has other columns or rows than were rendered"
    for name in wanted:
        one, other = stated[name].to_numpy(), wanted[name].to_numpy()
        same = np.isclose(one, other, TOLERANCE) if other.dtype == float else one == other
        if not np.all(same):
            row = int(np.argmin(same))
            return (
                f"{name} of {wanted['id'][row]} says {one[row]}, but {other[row]} was rendered "
                f"({int(np.sum(~same))} rows differ)"
            )
    return ""


def _same(stated: object, wanted: object) -> bool:
    """Equality of JSON values, of numbers up to TOLERANCE."""
    if isinstance(wanted, dict):
        return isinstance(stated, dict) and all(
            _same(stated.get(key), value) for key, value in wanted.items()
        )
    if isinstance(wanted, (list, tuple)):
        return (
            isinstance(stated, list)
            and len(stated) == len(wanted)
            and all(map(_same, stated, wanted))
        )
    if isinstance(wanted, float):
        return isinstance(stated, (int, float)) and bool(np.isclose(stated, wanted, TOLERANCE))
    return stated == wanted
