"""Kitchen20: `kitchen20.csv`, with the columns category, fold, path, take, target, usr_id.

`usr_id` is the recording that a clip was cut from: a Freesound id, or the name of a recording that
its authors made or found elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from diccae.datasets.readers.checks import check_file_names, folds
from diccae.datasets.readers.columns import join
from diccae.datasets.readers.list_files import read_lists, read_table
from diccae.datasets.readers.sound_lists import recordings, sound_manifest, stems

NEEDED = ["category", "fold", "path", "take", "target", "usr_id"]
# the row numbers that the release wrote along
UNUSED = ["", "Unnamed: 0", "Unnamed: 0.1", "orig_idx"]
# the list goes on to fold 9, but only these have clips of every class, 8 each
FOLDS = 5


def read(lists: Sequence[Path], media: Path | None, classes: Path | None = None) -> pd.DataFrame:
    """Make a manifest of the clips of the five official folds.

    `attrs['other_folds']` counts the rows of further folds.

    Args:
        lists: `kitchen20.csv`.
        media: the folder with the clips, at any depth; None to read the lists only.
        classes: a class list that sets the order; None for the order of `target`.

    Raises:
        UserError: a list or a row is wrong, or two rows contradict each other (with the lines).
    """
    rows = read_lists(lists, _read_list)
    inside = folds(rows) <= FOLDS
    attrs = rows.attrs | {"other_folds": int((~inside).sum())}
    rows = rows[inside].reset_index(drop=True)
    rows.attrs = attrs
    return sound_manifest(rows, media, "kitchen20", classes)


def _read_list(path: Path) -> pd.DataFrame:
    rows = read_table(path, NEEDED, UNUSED)
    rows = rows.rename(columns={"category": "label_name", "target": "index"})
    rows.attrs = {"lists": [str(path)]}
    rows["list"] = 0
    rows["id"] = stems(rows["path"])
    # files count folds from 0
    rows["first"] = (folds(rows) - 1).astype(str)
    check_file_names(rows, ["first", "usr_id", "take", "index"])
    of_freesound = rows["usr_id"].str.fullmatch(r"\d+").to_numpy(bool)
    rows["video"] = np.where(
        of_freesound, recordings(rows["usr_id"]), join("kitchen20-", rows["usr_id"])
    )
    return rows[["id", "label_name", "index", "fold", "video", "line"]]
