"""Kinetics-Sounds: the clips of some classes of Kinetics.

The columns of its lists are label, youtube_id, time_start, time_end, split.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from diccae.datasets.readers.checks import (
    check_rows,
    check_spans,
    check_youtube_ids,
    drop_duplicates,
    numbers,
)
from diccae.datasets.readers.classes import add_labels, check_names, read_classes
from diccae.datasets.readers.columns import arrow, join, map_text
from diccae.datasets.readers.layouts import youtube_layouts
from diccae.datasets.readers.list_files import read_lists, read_table
from diccae.datasets.readers.locate import locate
from diccae.datasets.readers.manifest import manifest
from diccae.datasets.readers.split_words import check_splits
from diccae.errors import UserError

NEEDED = ["label", "youtube_id", "time_start", "time_end", "split"]
UNUSED = ["is_cc"]
SPLITS = {
    "train": "train",
    "val": "validation",
    "validate": "validation",
    "validation": "validation",
    "test": "test",
}
# those of the 34 classes of Arandjelovic and Zisserman (2017) that the released Kinetics-400 has,
# as the authors of AdaMML list them: github.com/IBM/AdaMML, issue 3
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
# as the authors of CrissCross list them: github.com/pritamqu/CrissCross, issue 4
CLASSES_32 = tuple(sorted([*CLASSES_31, "strumming guitar"]))
BUILT_IN = {"31": CLASSES_31, "32": CLASSES_32}


def read(lists: Sequence[Path], media: Path | None, classes: str | Path = "31") -> pd.DataFrame:
    """Make a manifest of the clips of the chosen classes.

    `attrs['other_classes']` counts the rows of all other classes.

    Args:
        lists: the list files.
        media: the folder with the clips, at any depth; None to read the lists only.
        classes: '31', '32' (with strumming guitar), or a class list, e.g. for Kinetics-Sounds100,
            in which '_' may stand for a space.

    Raises:
        UserError: a list or a row is wrong, a class has no clip (with the names that are near), or
            two rows contradict each other (with the lines).
    """
    names = (
        list(BUILT_IN[str(classes)])
        if str(classes) in BUILT_IN
        else [name.replace("_", " ") for name in read_classes(Path(classes))]
    )
    rows = read_lists(lists, _read_list)
    check_splits(rows, SPLITS)
    check_rows(rows, rows["label_name"] == "", lambda row: "the class name is empty")
    check_names(rows, names)
    chosen = pc.is_in(arrow(rows["label_name"]), value_set=pa.array(names, pa.large_string()))
    chosen = chosen.to_numpy(zero_copy_only=False)
    known = [str(name) for name in rows["label_name"].unique()]
    attrs = rows.attrs | {"other_classes": int((~chosen).sum())}
    rows = rows[chosen].reset_index(drop=True)
    rows.attrs = attrs
    absent = [_with_near(name, known) for name in sorted(set(names) - set(known))]
    if absent:
        raise UserError(
            f"{', '.join(map(str, lists))}: no clip of {len(absent)} of the {len(names)} classes, "
            f"e.g. {', '.join(absent[:3])}; editions of Kinetics name classes differently: "
            + (
                "give a class list of your own with --classes, or as classes in the plan"
                if str(classes) in BUILT_IN
                else f"correct the names in {classes}"
            )
        )
    check_youtube_ids(rows)
    rows["start"], rows["end"] = numbers(rows, "start"), numbers(rows, "end")
    check_spans(rows)
    rows["split"] = map_text(rows["split"], SPLITS.__getitem__)
    show = "{:06.0f}".format
    rows["id"] = join(
        rows["video"], "_", map_text(rows["start"], show), "_", map_text(rows["end"], show)
    )
    rows = drop_duplicates(rows, ["label_name", "split"])
    add_labels(rows, names)
    return manifest(locate(rows, media, youtube_layouts()), "kinetics_sounds")


def _with_near(name: str, known: list[str]) -> str:
    """A name with those of the lists that are near it."""
    near = difflib.get_close_matches(name, known, n=3)
    return f"{name!r} (near: {', '.join(map(repr, near))})" if near else repr(name)


def _read_list(path: Path) -> pd.DataFrame:
    rows = read_table(path, NEEDED, UNUSED)
    rows = rows.rename(
        columns={
            "label": "label_name",
            "youtube_id": "video",
            "time_start": "start",
            "time_end": "end",
        }
    )
    return rows[["label_name", "video", "start", "end", "split", "line"]]
