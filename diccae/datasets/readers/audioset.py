"""AudioSet: `unbalanced_train_segments.csv`, `balanced_train_segments.csv`, `eval_segments.csv`.

Their columns are YTID, start, end, "mid,mid".
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from diccae.datasets.readers.checks import (
    check_rows,
    check_spans,
    check_youtube_ids,
    drop_duplicates,
    numbers,
)
from diccae.datasets.readers.classes import read_classes
from diccae.datasets.readers.columns import join, map_text
from diccae.datasets.readers.layouts import youtube_layouts
from diccae.datasets.readers.list_files import read_lists, read_rows, read_table
from diccae.datasets.readers.locate import locate
from diccae.datasets.readers.manifest import manifest
from diccae.datasets.readers.split_words import split_of_list

SPLITS = {"unbalanced": "unbalanced_train", "balanced": "balanced_train", "eval": "eval"}


def read(lists: Sequence[Path], media: Path | None, classes: Path | None = None) -> pd.DataFrame:
    """Make a manifest of the segments.

    A clip has several classes: `label` is -1, and `label_name` holds all names, joined by '; '.

    Args:
        lists: the list files.
        media: the folder with the clips, at any depth; None to read the lists only.
        classes: `class_labels_indices.csv`, which names the machine ids and sets the class order;
            None to keep the ids.

    Raises:
        UserError: a list or a row is wrong, or two rows contradict each other (with the lines).
    """
    rows = read_lists(lists, _read_list)
    check_youtube_ids(rows)
    check_rows(rows, rows["mids"] == "", lambda row: "there is no class")
    rows["start"], rows["end"] = numbers(rows, "start"), numbers(rows, "end")
    check_spans(rows)
    rows["id"] = join(
        rows["video"], "_", map_text(rows["start"], lambda time: f"{time * 1000:.0f}")
    )
    rows = drop_duplicates(rows, ["end", "mids", "split"])
    names, order = _names(classes) if classes is not None else ({}, [])
    if names:
        known = map_text(
            rows["mids"], lambda mids: "" if set(mids.split(",")) <= names.keys() else "unknown"
        )
        check_rows(
            rows, known != "", lambda row: f"{row['mids']!r} has an id that is not in {classes}"
        )
    rows["label_name"] = map_text(
        rows["mids"], lambda mids: "; ".join(names.get(mid, mid) for mid in mids.split(","))
    )
    rows["label"] = np.int32(-1)
    rows.attrs["classes"] = order
    return manifest(locate(rows, media, youtube_layouts(["", "Y"])), "audioset")


def _read_list(path: Path) -> pd.DataFrame:
    split = split_of_list(
        path,
        SPLITS,
        "one of unbalanced_train_segments.csv, balanced_train_segments.csv, eval_segments.csv",
    )
    return read_rows(path, ["video", "start", "end", "mids"], spaced=True).assign(split=split)


def _names(path: Path) -> tuple[dict[str, str], list[str]]:
    rows = read_table(path, ["index", "mid", "display_name"])
    return dict(zip(rows["mid"], rows["display_name"], strict=True)), read_classes(path)
