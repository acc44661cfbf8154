"""VGGSound: `vggsound.csv` (ytid,start,label,split) and the edition of `train.csv` and `test.csv` (file,label)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from diccae.datasets.readers.common import (
    add_labels,
    arrow,
    first_cells,
    join,
    numbers,
    read_classes,
    read_lists,
    read_rows,
    refuse,
    refuse_other_ids,
    settle,
    spelled,
    text,
)
from diccae.datasets.readers.layouts import locate, youtube_layouts
from diccae.datasets.readers.manifest import manifest
from diccae.errors import UserError

SECONDS = 10.0


def read(lists: Sequence[Path], media: Path | None, classes: Path | None = None) -> pd.DataFrame:
    """The manifest of one or both editions, of all 10 s clips listed; without a class list, classes are sorted by name, as in VGGSound's own code.

    Args:
        media: the folder with the clips, at any depth; None to read the lists alone.
        classes: a class list that sets the order, e.g. CAV-MAE's `class_labels_indices_vgg.csv`.

    Raises:
        UserError: a list or a row is wrong, or two rows contradict each other (names the lines).
    """
    rows = read_lists(lists, _read_list)
    refuse_other_ids(rows)
    rows["start"] = numbers(rows, "start")
    rows["end"] = rows["start"] + SECONDS
    rows["id"] = join(rows["video"], "_", spelled(rows["start"], lambda time: f"{time:06.0f}"))
    rows = settle(rows, ["label_name", "split"])
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
        refuse(
            rows,
            ~rows["split"].isin(["train", "test"]),
            lambda row: f"wanted train or test in the last cell, got {row['split']!r}",
        )
    elif len(cells) == 2:
        rows = read_rows(path, ["file", "label_name"])
        rows.attrs = {"lists": [str(path)]}
        rows["list"] = 0
        named = pc.extract_regex(
            arrow(rows["file"]), r"^(?P<video>.+)_(?P<start>\d{6})(?P<ending>\.\w+)?$"
        )
        refuse(
            rows,
            named.is_null().to_numpy(zero_copy_only=False),
            lambda row: f"wanted a file name like <id>_000030.mp4, got {row['file']!r}",
        )
        for column in ("video", "start"):
            rows[column] = text(pc.struct_field(named, column))
        rows["split"] = _split(path)
    else:
        raise UserError(
            f"{path}: wanted 4 cells a row (ytid,start,label,split) or 2 (file,label), its first row has {len(cells)}; "
            "a class name with a comma needs quotes around it"
        )
    refuse(rows, rows["label_name"] == "", lambda row: "the class name is empty")
    return rows[["video", "start", "label_name", "split", "line"]]


def _split(path: Path) -> str:
    found = set(re.findall("train|test", Path(path).stem.lower()))
    if len(found) != 1:
        raise UserError(
            f"{path}: the name must say which split it lists; rename it to train.csv or test.csv"
        )
    return found.pop()


def exclude_vggsound_test(table: pd.DataFrame, vggsound: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """A pre-training manifest without clips cut from recordings of VGGSound's test split, and how many went.

    Args:
        table: a manifest of any source.
        vggsound: VGGSound's manifest, with its test split.

    Raises:
        UserError: `vggsound` has no test clips.
    """
    test = vggsound.loc[vggsound["split"] == "test", "video"]
    if test.empty:
        raise UserError(
            "the VGGSound lists have no test clips, so none can be removed; name test.csv or vggsound.csv"
        )
    keep = np.logical_not(
        pc.is_in(arrow(table["video"]), value_set=arrow(test)).to_numpy(zero_copy_only=False)
    )
    kept = table[keep].reset_index(drop=True)
    kept.attrs = table.attrs | {"vggsound_test_removed": int((~keep).sum())}
    return kept, int((~keep).sum())
