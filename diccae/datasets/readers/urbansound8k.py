"""UrbanSound8K: `metadata/UrbanSound8K.csv`.

Its columns are slice_file_name, fsID, start, end, salience, fold, classID, class.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from diccae.datasets.readers.checks import check_file_names, check_spans, numbers
from diccae.datasets.readers.list_files import read_lists, read_table
from diccae.datasets.readers.sound_lists import recordings, sound_manifest, stems

NEEDED = ["slice_file_name", "fsID", "start", "end", "fold", "classID", "class"]
UNUSED = ["salience"]


def read(lists: Sequence[Path], media: Path | None, classes: Path | None = None) -> pd.DataFrame:
    """Make a manifest of the excerpts with their official folds.

    Args:
        lists: `UrbanSound8K.csv`.
        media: the folder with the excerpts, at any depth; None to read the lists only.
        classes: a class list that sets the order; None for the order of `classID`.

    Raises:
        UserError: a list or a row is wrong, or two rows contradict each other (with the lines).
    """
    rows = read_lists(lists, _read_list)
    rows["start"], rows["end"] = numbers(rows, "start"), numbers(rows, "end")
    check_spans(rows)
    rows["video"] = recordings(rows["fsID"])
    return sound_manifest(rows, media, "urbansound8k", classes)


def _read_list(path: Path) -> pd.DataFrame:
    rows = read_table(path, NEEDED, UNUSED)
    rows = rows.rename(columns={"class": "label_name", "classID": "index"})
    rows.attrs = {"lists": [str(path)]}
    rows["list"] = 0
    rows["id"] = stems(rows["slice_file_name"])
    check_file_names(rows, ["fsID", "index"])
    return rows[["id", "label_name", "index", "fold", "fsID", "start", "end", "line"]]
