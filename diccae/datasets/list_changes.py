"""Whether the lists of a plan still give the manifest that was made from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from diccae.datasets.readers.assemble import assemble
from diccae.datasets.readers.manifest import COLUMNS, read_manifest
from diccae.errors import UserError
from diccae.source_lists import Folds, Lists


def list_changes(lists: Lists, manifest: Path, folds: Folds | None) -> tuple[str, bool] | None:
    """Read the lists again and compare them with a manifest; `folds` as in `assemble`.

    Returns:
        What has changed, in words, and whether the manifest is wrong (it is not where only files
        arrived that were missing). None where nothing has changed, or where lists or media are not
        on this machine.
    """
    media = [Path(source.media) for source in lists.sources]
    named = [Path(path) for source in lists.sources for path in source.lists]
    if not all(path.is_dir() for path in media) or not all(path.exists() for path in named):
        return None
    try:
        now, stated = assemble(lists, folds=folds), read_manifest(manifest)
    except UserError as error:
        return f"cannot be made again from the lists: {error}", True
    new = _with_file_only_in(now, stated)
    if new:
        return f"lists {len(new)} clips without a file that have one now, {new[0]} first", False
    # files that are gone are counted where the clips are checked, and change the drawn splits
    if _with_file_only_in(stated, now):
        return None
    if len(now) == len(stated) and all(_equal(now[name], stated[name]) for name in COLUMNS):
        return None
    added, removed = set(now["id"]) - set(stated["id"]), set(stated["id"]) - set(now["id"])
    if added or removed:
        first = sorted(added or removed)[0]
        words = f"{len(added)} clips are new and {len(removed)} are gone, {first} first"
        return f"is not what the lists give now: {words}", True
    if list(now["id"]) != list(stated["id"]):
        return "is not what the lists give now: the clips have another order", True
    name = next(name for name in COLUMNS if not _equal(now[name], stated[name]))
    row = int(np.argmin(_same(now[name], stated[name])))
    words = f"{name} of {now['id'].iloc[row]} is {stated[name].iloc[row]!r}"
    return f"{words}, the lists give {now[name].iloc[row]!r}", True


def _with_file_only_in(one: pd.DataFrame, other: pd.DataFrame) -> list[str]:
    """Ids of clips of both manifests whose file was found for one of them only."""
    without = set(other.loc[other["path"] == "", "id"])
    return [name for name in one.loc[one["path"] != "", "id"] if name in without]


def _same(one: pd.Series, other: pd.Series) -> np.ndarray:
    first, second = one.to_numpy(), other.to_numpy()
    return (first == second) | (pd.isna(first) & pd.isna(second))


def _equal(one: pd.Series, other: pd.Series) -> bool:
    return bool(np.all(_same(one, other)))
