"""Kinetics-Sounds: the clips of some classes of Kinetics' lists (label,youtube_id,time_start,time_end,split)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from diccae.datasets.readers.common import (
    add_labels,
    arrow,
    join,
    numbers,
    read_classes,
    read_lists,
    read_rows,
    refuse,
    refuse_empty_spans,
    refuse_other_ids,
    settle,
    spelled,
    want_columns,
)
from diccae.datasets.readers.layouts import locate, youtube_layouts
from diccae.datasets.readers.manifest import manifest
from diccae.errors import UserError

NEEDED = ["label", "youtube_id", "time_start", "time_end", "split"]
SPLITS = {
    "train": "train",
    "val": "validation",
    "validate": "validation",
    "validation": "validation",
    "test": "test",
}
# what is left in the released Kinetics-400 of the 34 names of Arandjelovic and Zisserman (2017)
CLASSES_31 = (
    "blowing nose",
    "blowing out candles",
    "bowling",
    "chopping wood",
    "dribbling basketball",
    "laughing",
    "mowing lawn",
    "playing accordion",
    "playing bagpipes",
    "playing bass guitar",
    "playing clarinet",
    "playing drums",
    "playing guitar",
    "playing harmonica",
    "playing keyboard",
    "playing organ",
    "playing piano",
    "playing saxophone",
    "playing trombone",
    "playing trumpet",
    "playing violin",
    "playing xylophone",
    "ripping paper",
    "shoveling snow",
    "shuffling cards",
    "singing",
    "stomping grapes",
    "tap dancing",
    "tapping guitar",
    "tapping pen",
    "tickling",
)
CLASSES_32 = tuple(sorted([*CLASSES_31, "strumming guitar"]))
BUILT_IN = {"31": CLASSES_31, "32": CLASSES_32}


def read(lists: Sequence[Path], media: Path | None, classes: str | Path = "31") -> pd.DataFrame:
    """The manifest of the clips of the chosen classes; `attrs['other_classes']` counts the rows of all others.

    Args:
        media: the folder with the clips, at any depth; None to read the lists alone.
        classes: '31', '32' (with strumming guitar), or a class list of your own, e.g. for Kinetics-Sounds100; '_' in it may stand for a space.

    Raises:
        UserError: a list or a row is wrong, a class has no clip, or two rows contradict each other (names the lines).
    """
    names = (
        list(BUILT_IN[str(classes)])
        if str(classes) in BUILT_IN
        else [name.replace("_", " ") for name in read_classes(Path(classes))]
    )
    rows = read_lists(lists, _read_list)
    chosen = pc.is_in(arrow(rows["label_name"]), value_set=pa.array(names, pa.large_string()))
    chosen = chosen.to_numpy(zero_copy_only=False)
    attrs = rows.attrs | {"other_classes": int((~chosen).sum())}
    rows = rows[chosen].reset_index(drop=True)
    rows.attrs = attrs
    absent = sorted(set(names) - set(rows["label_name"].unique()))
    if absent:
        raise UserError(
            f"{', '.join(map(str, lists))}: no clip of {len(absent)} of the {len(names)} classes, e.g. {absent[0]!r}; "
            "editions of Kinetics name classes differently: give a class list of your own with --classes"
        )
    refuse_other_ids(rows)
    rows["start"], rows["end"] = numbers(rows, "start"), numbers(rows, "end")
    refuse_empty_spans(rows)
    refuse(
        rows,
        ~rows["split"].isin(SPLITS),
        lambda row: f"wanted a split of train, val, test, got {row['split']!r}",
    )
    rows["split"] = spelled(rows["split"], SPLITS.__getitem__)
    show = "{:06.0f}".format
    rows["id"] = join(
        rows["video"], "_", spelled(rows["start"], show), "_", spelled(rows["end"], show)
    )
    rows = settle(rows, ["label_name", "split"])
    add_labels(rows, names)
    return manifest(locate(rows, media, youtube_layouts()), "kinetics_sounds")


def _read_list(path: Path) -> pd.DataFrame:
    rows = read_rows(path)
    want_columns(path, rows, NEEDED)
    rows = rows.rename(
        columns={
            "label": "label_name",
            "youtube_id": "video",
            "time_start": "start",
            "time_end": "end",
        }
    )
    return rows[["label_name", "video", "start", "end", "split", "line"]]
