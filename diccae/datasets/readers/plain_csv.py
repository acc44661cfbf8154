"""A list of your own: a CSV file with the column `path` and any other columns of a manifest."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from diccae.datasets.readers.checks import check_rows, check_spans, drop_duplicates, numbers
from diccae.datasets.readers.classes import add_labels, read_classes
from diccae.datasets.readers.columns import join, text
from diccae.datasets.readers.list_files import check_columns, read_lists, read_rows
from diccae.datasets.readers.manifest import manifest

TEXT = ("id", "label_name", "split", "video", "start", "end", "label")


def read(
    lists: Sequence[Path],
    media: Path | None,
    classes: Path | None = None,
    source: str = "plain_csv",
) -> pd.DataFrame:
    """Make a manifest of the files.

    The columns of a list, with the defaults of those that are missing or empty:

    - `path`: relative to `media`, or absolute.
    - `label_name`: no label.
    - `label`: the index of the class, which must agree with the name.
    - `split`: `train` for clips with a label, else `unlabelled`.
    - `start`, `end`: the whole file; in seconds.
    - `id`: made from `path` and `start`.
    - `video`: the recording that the clip was cut from; `path`.

    Args:
        lists: the list files.
        media: the folder that paths are relative to; None to read the lists only.
        classes: a class list that sets the order; without it `label` does, and without that
            column the order of names.
        source: the source in the manifest.

    Raises:
        UserError: a list or a row is wrong, or two rows contradict each other (with the lines).
    """
    rows = read_lists(lists, _read_list)
    rows["start"] = numbers(rows, "start", lambda cell: float(cell or 0))
    given = (rows["end"] != "").to_numpy(bool)
    rows["end"] = np.where(given, numbers(rows, "end", lambda cell: float(cell or 0)), np.nan)
    check_spans(rows)
    start = rows["start"].map(lambda time: f"_{time:g}" if time else "").astype(str)
    rows["video"] = rows["video"].where(rows["video"] != "", rows["file"])
    rows["id"] = rows["id"].where(
        rows["id"] != "", join(rows["file"].str.replace(r"\.[^./]*$", "", regex=True), start)
    )
    rows["label_name"] = rows["label_name"].where(rows["label_name"] != "", rows["label"])
    empty = rows["split"] == ""
    rows.loc[empty, "split"] = np.where(rows.loc[empty, "label_name"] == "", "unlabelled", "train")
    rows = drop_duplicates(rows, ["file", "start", "end", "label_name", "label", "split"])
    rows["given"] = rows["label"]
    add_labels(rows, read_classes(classes) if classes is not None else _order(rows))
    check_rows(
        rows,
        (rows["given"] != "") & (rows["given"] != rows["label"].astype(str)),
        lambda row: (
            f"{row['label_name']!r} has the label {row['given']}, "
            f"but it is {row['label']} in {classes}"
        ),
    )
    root = "" if media is None else os.path.abspath(media)
    absolute = [os.path.join(root, file) for file in rows["file"]]
    found = np.array([media is not None and os.path.isfile(file) for file in absolute])
    rows["path"] = text(pa.array(np.where(found, absolute, ""), pa.large_string()))
    counts = {
        "found": int(found.sum()),
        "layouts": {"paths of the list": int(found.sum())},
        "several_files": 0,
        "ambiguous": 0,
    }
    rows.attrs |= counts
    return manifest(rows, source)


def _order(rows: pd.DataFrame) -> list[str] | None:
    """Class names in the order of the column `label`; None where the lists have no labels."""
    given = rows[(rows["label"] != "") & (rows["label_name"] != "")]
    if given.empty:
        return None
    given = given.assign(number=numbers(given, "label", int).astype(int))
    _check_one_to_one(given, "number", "label_name")
    _check_one_to_one(given, "label_name", "number")
    names = dict(zip(given["number"], given["label_name"], strict=True))
    return [names.get(label, f"class {label}") for label in range(given["number"].max() + 1)]


def _check_one_to_one(rows: pd.DataFrame, one: str, other: str) -> None:
    rows = rows.assign(first=rows.groupby(one)[other].transform("first"))
    check_rows(
        rows,
        rows["first"] != rows[other],
        lambda row: (
            f"{row[one]} belongs to {row[other]} here, but to {row['first']} in an earlier line"
        ),
    )


def _read_list(path: Path) -> pd.DataFrame:
    rows = read_rows(path)
    check_columns(path, rows, ["path"])
    rows = rows.rename(columns={"path": "file"})
    for column in TEXT:
        if column not in rows:
            rows[column] = ""
    rows.attrs = {"lists": [str(path)]}
    rows["list"] = 0
    check_rows(rows, rows["file"] == "", lambda row: "the path is empty")
    return rows[["file", *TEXT, "line"]]
