"""A list of your own: a CSV file with the column `path` and any other columns of a manifest."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from diccae.datasets.readers.checks import (
    check_rows,
    check_spans,
    drop_duplicates,
    folds,
    numbers,
    place,
)
from diccae.datasets.readers.classes import add_labels, alike, order_by_index, read_classes
from diccae.datasets.readers.columns import arrow, join, map_text, text
from diccae.datasets.readers.list_files import read_lists, read_table
from diccae.datasets.readers.manifest import manifest
from diccae.datasets.readers.split_words import check_splits
from diccae.errors import UserError

TEXT = ("id", "label_name", "split", "video", "group", "fold", "start", "end", "label")
LABELLED = ("train", "update", "validation", "test")
SPLITS = (*LABELLED, "unlabelled")
# names of columns in other projects -> the column here
OTHER_WORDS = {
    "category": "label_name",
    "class": "label_name",
    "file": "path",
    "filename": "path",
    "name": "label_name",
}


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
    - `group`: what must not be divided between splits, such as a person or a kitchen; `video`.
    - `fold`: the official fold, counted from 1; none.

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
    # 11 digits: microseconds of a day
    start = rows["start"].map(lambda time: f"_{time:.11g}" if time else "").astype(str)
    rows["video"] = rows["video"].where(rows["video"] != "", rows["file"])
    rows["id"] = rows["id"].where(
        rows["id"] != "", join(rows["file"].str.replace(r"\.[^./]*$", "", regex=True), start)
    )
    rows["label_name"] = rows["label_name"].where(rows["label_name"] != "", rows["label"])
    empty = rows["split"] == ""
    rows.loc[empty, "split"] = np.where(rows.loc[empty, "label_name"] == "", "unlabelled", "train")
    check_splits(rows, SPLITS)
    check_rows(
        rows,
        rows["split"].isin(LABELLED) & (rows["label_name"] == ""),
        lambda row: f"a clip of split {row['split']} has no label_name",
        "give its class, or the split unlabelled",
    )
    rows["path"] = rows["file"]
    rows = drop_duplicates(
        rows,
        ["path", "start", "end", "label_name", "label", "split", "group", "fold"],
        "remove one of the two lines, or give each clip an id of its own in the column id",
    )
    rows["given"] = rows["label"]
    add_labels(rows, read_classes(classes) if classes is not None else _order(rows))
    if classes is not None:
        check_rows(
            rows,
            (rows["given"] != "") & (rows["given"] != rows["label"].astype(str)),
            lambda row: (
                f"{row['label_name']!r} has the label {row['given']}, but it is {row['label']} in "
                f"{classes}, counted from 0"
            ),
        )
    notes = _alike_groups(rows)
    # one group, however its path is spelled
    rows["group"] = map_text(
        rows["group"].where(rows["group"] != "", rows["video"]),
        lambda name: os.path.normpath(name) if "/" in name else name,
    )
    rows["fold"] = folds(rows)
    root = "" if media is None else os.path.abspath(media)
    # as a manifest is read
    absolute = [os.path.normpath(os.path.join(root, file)) for file in rows["file"]]
    _check_spellings(rows, absolute)
    found = np.array([media is not None and os.path.isfile(file) for file in absolute])
    rows["path"] = text(pa.array(np.where(found, absolute, ""), pa.large_string()))
    counts = {
        "found": int(found.sum()),
        "layouts": {"paths of the list": int(found.sum())},
        "several_files": 0,
        "ambiguous": 0,
    }
    rows.attrs |= counts
    if media is not None and not found.all():
        gone = int(found.argmin())
        rows.attrs["missing"] = (
            f"{(~found).sum()} of {len(rows)} clips have no file, first "
            f"{place(rows, rows.iloc[gone])}: {_absence(absolute[gone])} (path counts from the "
            f"folder {media})"
        )
        notes.append(rows.attrs["missing"])
    rows.attrs["notes"] = notes
    # spans are those of the file
    alone = rows["video"] == rows["file"]
    rows["begin"], rows["finish"] = rows["start"].where(alone), rows["end"].where(alone)
    return manifest(rows, source, own=True)


def _order(rows: pd.DataFrame) -> list[str] | None:
    """Class names in the order of the column `label`; None where the lists have no labels."""
    given = rows[(rows["label"] != "") & (rows["label_name"] != "")]
    if given.empty:
        return None
    labels = numbers(given, "label", int).astype(int)
    names = order_by_index(given, "label")
    first = given.iloc[int(labels.argmax())]
    missing = next((label for label in range(len(names)) if label not in labels), None)
    if missing is not None:
        raise UserError(
            f"{place(rows, first)}: {first['label_name']!r} has the label {labels.max()}, but "
            f"no clip has the label {missing}; count classes from 0 without a gap, leave out the "
            "column label, or give a class list"
        )
    return names


def _alike_groups(rows: pd.DataFrame) -> list[str]:
    """A note on names of groups that a reader takes for one, if there are any."""
    pairs = alike(arrow(rows["group"]).unique().to_pylist())
    if not pairs:
        return []
    one, other, difference = pairs[0]
    return [
        f"names of groups that differ from another by case, blanks or Unicode form only: "
        f"{len(pairs)}, first {other!r} from {one!r} by {difference}; they count as two groups, so "
        "write both alike if they are one"
    ]


def _absence(path: str) -> str:
    """Why there is no file at a path."""
    try:
        os.stat(path)
    except PermissionError:
        return f"there is no permission to read {path}"
    except (OSError, ValueError):
        return f"there is no {path}"
    return f"{path} is no file"


def _check_spellings(rows: pd.DataFrame, files: list[str]) -> None:
    spans = pd.DataFrame({"file": files, "start": rows["start"], "end": rows["end"]})
    spans["row"] = np.arange(len(rows))
    first = spans.groupby(["file", "start", "end"], dropna=False)["row"].transform("first")

    def describe(row: pd.Series) -> str:
        other = rows.iloc[row["first"]]
        return (
            f"{row['id']} (split {row['split']}) is the same clip as {other['id']} (split "
            f"{other['split']}) in {place(rows, other)}"
        )

    check_rows(
        rows.assign(first=first), first != spans["row"], describe, "remove one of the two lines"
    )


def _read_list(path: Path) -> pd.DataFrame:
    rows = read_table(path, ["path"], TEXT, OTHER_WORDS, published=False)
    rows = rows.rename(columns={"path": "file"})
    for column in TEXT:
        if column not in rows:
            rows[column] = ""
    rows.attrs = {"lists": [str(path)]}
    rows["list"] = 0
    check_rows(rows, rows["file"] == "", lambda row: "the path is empty")
    # pandas and spreadsheets write 1.0 where some clips have no label
    rows["label"] = map_text(rows["label"], lambda cell: re.sub(r"^(\d+)\.0+$", r"\1", cell))
    return rows[["file", *TEXT, "line"]]
