"""Class lists, and the labels of rows by the names of their classes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from diccae.datasets.readers.checks import check_rows, closest, numbers, place
from diccae.datasets.readers.columns import arrow
from diccae.datasets.readers.list_files import first_cells, read_bytes, read_rows, separator
from diccae.errors import UserError

HEADERS = [["index", "mid", "display_name"], ["label", "label_name"]]


def read_classes(path: Path) -> list[str]:
    """Read class names in the order of their indices.

    The columns are `index,mid,display_name` or `label,label_name`, or the file is UCF101's
    classInd.txt, VGGSound's stat.csv, or a list with one name per line. An index column sets the
    order; stat.csv is sorted, as in VGGSound's own code; a list of names keeps its order.

    Raises:
        UserError: the indices have a gap, a name or an index occurs twice, or two names differ by
            case, blanks or Unicode form only.
    """
    cells = [cell.lower() for cell in first_cells(path, published=False)]
    if re.split(r"[;\t]", cells[0]) in HEADERS:
        raise UserError(f"{path}: wanted cells separated by commas{separator(cells[0])}")
    if cells in HEADERS:
        rows = read_rows(path, published=False)
        indices, names = rows.iloc[:, 0].tolist(), rows.iloc[:, len(cells) - 1].tolist()
    elif re.fullmatch(r"\d+ \S+", cells[0]):
        pairs = [line.split(maxsplit=1) for line in _lines(path)]
        indices, names = [pair[0] for pair in pairs], [pair[-1] for pair in pairs]
    else:
        if len(cells) == 3 and cells[1].isdigit():
            names = sorted(read_rows(path, ["name", "clips", "group"])["name"])
        else:
            names = [
                line[1:-1].replace('""', '"') if line.startswith('"') else line
                for line in _lines(path)
            ]
        indices = list(range(len(names)))
    try:
        order = np.array([int(index) for index in indices])
    except ValueError:
        raise UserError(
            f"{path}: the first column of a class list must be a number in every row"
        ) from None
    order = order - order.min()
    if sorted(order) != list(range(len(order))):
        raise UserError(
            f"{path}: class indices must run from {min(indices)} without gaps or repeats"
        )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"{path}: the class {twice!r} occurs twice; remove one")
    for one, other, difference in alike(names):
        raise UserError(
            f"{path}: the classes {one!r} and {other!r} differ by {difference} only; remove one"
        )
    return [names[place] for place in np.argsort(order)]


def alike(names: Iterable[str]) -> list[tuple[str, str, str]]:
    """Pairs of distinct names that a reader takes for one, and what they differ by: case, blanks
    (also non-breaking or invisible ones) or Unicode form."""
    first: dict[str, str] = {}
    pairs = []
    for name in names:
        other = first.setdefault(_folded(name), name)
        if other != name:
            pairs.append((other, name, _difference(other, name)))
    return pairs


def _folded(name: str) -> str:
    composed = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    # Cf: invisible characters, such as a zero-width space
    seen = "".join(letter for letter in composed if unicodedata.category(letter) != "Cf")
    return "".join(seen.split())


def _difference(one: str, other: str) -> str:
    changes: dict[str, Callable[[str], str]] = {
        "blanks": lambda name: "".join(name.split()),
        "case": str.casefold,
        "Unicode form": partial(unicodedata.normalize, "NFKC"),
    }
    for word, change in changes.items():
        if change(one) == change(other):
            return word
    return "case, blanks or Unicode form"


def check_names(rows: pd.DataFrame, classes: Sequence[str] = ()) -> None:
    """Check that no two class names are alike.

    Args:
        rows: rows of lists, with `label_name`.
        classes: the names of a class list.

    Raises:
        UserError: two names are alike (with both spellings, and the list and line of each).
    """
    found = arrow(rows["label_name"]).unique().to_pylist()

    def where(name: str) -> str:
        if name not in found:
            return "the class list"
        return place(rows, rows.iloc[int((rows["label_name"] == name).to_numpy(bool).argmax())])

    for one, other, difference in alike([*classes, *found]):
        raise UserError(
            f"{where(other)}: the class {other!r} and {one!r} in {where(one)} differ by "
            f"{difference} only; write both alike"
        )


def _lines(path: Path) -> list[str]:
    return [
        line.strip()
        for line in read_bytes(path).decode(errors="replace").splitlines()
        if line.strip()
    ]


def order_by_index(rows: pd.DataFrame, index: str) -> list[str]:
    """Class names of N rows in the order of a column of class indices, which may have gaps.

    Raises:
        UserError: an index is no number, two names have one, or a name has two (with the list and
            line).
    """
    rows = rows.assign(number=numbers(rows, index, int).astype(int))
    _check_one_to_one(rows, "number", "label_name")
    _check_one_to_one(rows, "label_name", "number")
    names = dict(zip(rows["number"], rows["label_name"], strict=True))
    return [names[number] for number in sorted(names)]


def _check_one_to_one(rows: pd.DataFrame, one: str, other: str) -> None:
    rows = rows.assign(first=rows.groupby(one)[other].transform("first"))
    check_rows(
        rows,
        rows["first"] != rows[other],
        lambda row: (
            f"{row[one]} belongs to {row[other]} here, but to {row['first']} in an earlier line"
        ),
    )


def add_labels(rows: pd.DataFrame, classes: Sequence[str] | None) -> None:
    """Set the column `label` from `label_name`; an empty name gets -1.

    Args:
        rows: rows of lists.
        classes: class names in the order of their indices; None for the sorted names of the rows.

    Raises:
        UserError: a name is not one of `classes`, or two names differ by case, blanks or Unicode
            form only (with the lists and lines).
    """
    check_names(rows, classes or ())
    encoded = arrow(rows["label_name"]).dictionary_encode()
    found = encoded.dictionary.to_pylist()
    if classes is None:
        classes = sorted(name for name in found if name)
    if len(set(classes)) < len(classes):
        raise UserError(
            f"{rows.attrs['lists'][0]}: two classes have one name, "
            f"{next(name for name in classes if list(classes).count(name) > 1)!r}; "
            "give a class list in which each has its own"
        )
    known = {name: label for label, name in enumerate(classes)} | {"": -1}
    lookup = np.array([known.get(name, -2) for name in found], np.int32)
    rows["label"] = lookup[encoded.indices.to_numpy()]
    check_rows(
        rows,
        rows["label"].to_numpy() == -2,
        lambda row: (
            f"{row['label_name']!r} is not one of the classes" + closest(row["label_name"], known)
        ),
    )
    rows.attrs["classes"] = list(classes)
