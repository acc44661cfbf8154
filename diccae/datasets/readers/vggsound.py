"""VGGSound: `vggsound.csv` (ytid,start,label,split), or `train.csv` and `test.csv` (file,label)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from diccae.datasets.readers.checks import check_rows, check_youtube_ids, drop_duplicates, numbers
from diccae.datasets.readers.classes import add_labels, read_classes
from diccae.datasets.readers.columns import arrow, join, map_text, text
from diccae.datasets.readers.layouts import youtube_layouts
from diccae.datasets.readers.list_files import first_cells, read_lists, read_rows, separator
from diccae.datasets.readers.locate import locate
from diccae.datasets.readers.manifest import manifest
from diccae.datasets.readers.split_words import check_splits, split_of_list
from diccae.errors import UserError

SECONDS = 10.0


def read(lists: Sequence[Path], media: Path | None, classes: Path | None = None) -> pd.DataFrame:
    """Make a manifest of the 10 s clips of one or both editions.

    Args:
        lists: the list files.
        media: the folder with the clips, at any depth; None to read the lists only.
        classes: a class list that sets the order, e.g. CAV-MAE's `class_labels_indices_vgg.csv`;
            None for the order of names, as in VGGSound's own code.

    Raises:
        UserError: a list or a row is wrong, or two rows contradict each other (with the lines).
    """
    rows = read_lists(lists, _read_list)
    check_youtube_ids(rows)
    rows["start"] = numbers(rows, "start")
    rows["end"] = rows["start"] + SECONDS
    rows["id"] = join(rows["video"], "_", map_text(rows["start"], lambda time: f"{time:06.0f}"))
    rows = drop_duplicates(rows, ["label_name", "split"])
    add_labels(rows, read_classes(classes) if classes is not None else None)
    return manifest(locate(rows, media, youtube_layouts()), "vggsound")


def _read_list(path: Path) -> pd.DataFrame:
    cells = first_cells(path)
    if len(cells) == 4:
        rows = read_rows(path, ["video", "start", "label_name", "split"])
        if cells[3].lower() == "split":
            rows = rows.iloc[1:]
        rows.attrs = {"lists": [str(path)]}
        rows["list"] = 0
        check_splits(rows, ["train", "test"])
    elif len(cells) == 2:
        rows = read_rows(path, ["file", "label_name"])
        rows.attrs = {"lists": [str(path)]}
        rows["list"] = 0
        named = pc.extract_regex(
            arrow(rows["file"]), r"^(?P<video>.+)_(?P<start>\d{6})(?P<ending>\.\w+)?$"
        )
        check_rows(
            rows,
            named.is_null().to_numpy(zero_copy_only=False),
            lambda row: f"wanted a file name like <id>_000030.mp4, got {row['file']!r}",
        )
        for column in ("video", "start"):
            rows[column] = text(pc.struct_field(named, column))
        words = {"train": "train", "test": "test"}
        rows["split"] = split_of_list(path, words, "train.csv or test.csv")
    else:
        hint = separator(",".join(cells)) if len(cells) == 1 else ""
        raise UserError(
            f"{path}: wanted 4 cells a row (ytid,start,label,split) or 2 (file,label), its first "
            f"row has {len(cells)}{hint or '; a class name with a comma needs quotes around it'}"
        )
    check_rows(rows, rows["label_name"] == "", lambda row: "the class name is empty")
    return rows[["video", "start", "label_name", "split", "line"]]


def exclude_vggsound_test(table: pd.DataFrame, vggsound: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Remove clips of recordings that are in VGGSound's test split from a manifest.

    Args:
        table: a manifest of any source.
        vggsound: VGGSound's manifest, with its test split.

    Returns:
        The remaining rows, and the number of removed ones.

    Raises:
        UserError: `vggsound` has no test clips.
    """
    test = vggsound.loc[vggsound["split"] == "test", "video"]
    if test.empty:
        raise UserError(
            "the VGGSound lists have no test clips, so none can be removed; "
            "name test.csv or vggsound.csv"
        )
    keep = np.logical_not(
        pc.is_in(arrow(table["video"]), value_set=arrow(test)).to_numpy(zero_copy_only=False)
    )
    kept = table[keep].reset_index(drop=True)
    kept.attrs = table.attrs | {"vggsound_test_removed": int((~keep).sum())}
    return kept, int((~keep).sum())
