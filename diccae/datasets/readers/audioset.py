"""AudioSet: `unbalanced_train_segments.csv`, `balanced_train_segments.csv`, `eval_segments.csv` (YTID, start, end, "mid,mid")."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from diccae.datasets.readers.common import (
    join,
    numbers,
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

# 'unbalanced' contains 'balanced'
SPLITS = {"unbalanced": "unbalanced_train", "balanced": "balanced_train", "eval": "eval"}


def read(lists: Sequence[Path], media: Path | None, classes: Path | None = None) -> pd.DataFrame:
    """The manifest of the segments listed. A clip has several classes: `label` is -1, `label_name` holds all of them, joined by '; '.

    Args:
        media: the folder with the clips, at any depth; None to read the lists alone.
        classes: `class_labels_indices.csv`, which turns machine ids into names and gives the class order; ids stay as they are without it.

    Raises:
        UserError: a list or a row is wrong, or two rows contradict each other (names the lines).
    """
    rows = read_lists(lists, _read_list)
    refuse_other_ids(rows)
    rows["start"], rows["end"] = numbers(rows, "start"), numbers(rows, "end")
    refuse_empty_spans(rows)
    rows["id"] = join(rows["video"], "_", spelled(rows["start"], lambda time: f"{time * 1000:.0f}"))
    rows = settle(rows, ["end", "mids", "split"])
    names, order = _names(classes) if classes is not None else ({}, [])
    if names:
        known = spelled(
            rows["mids"], lambda mids: "" if set(mids.split(",")) <= names.keys() else "unknown"
        )
        refuse(rows, known != "", lambda row: f"{row['mids']!r} has an id that is not in {classes}")
    rows["label_name"] = spelled(
        rows["mids"], lambda mids: "; ".join(names.get(mid, mid) for mid in mids.split(","))
    )
    rows["label"] = np.int32(-1)
    rows.attrs["classes"] = order
    return manifest(locate(rows, media, youtube_layouts(["", "Y"])), "audioset")


def _read_list(path: Path) -> pd.DataFrame:
    split = next((split for word, split in SPLITS.items() if word in Path(path).stem.lower()), None)
    if split is None:
        raise UserError(
            f"{path}: the name must say which segments it lists; rename it to one of "
            "unbalanced_train_segments.csv, balanced_train_segments.csv, eval_segments.csv"
        )
    return read_rows(path, ["video", "start", "end", "mids"], spaced=True).assign(split=split)


def _names(path: Path) -> tuple[dict[str, str], list[str]]:
    rows = read_rows(path)
    want_columns(path, rows, ["index", "mid", "display_name"])
    order = rows.iloc[np.argsort(rows["index"].astype(int))]
    return dict(zip(rows["mid"], rows["display_name"], strict=True)), order["display_name"].tolist()
