"""Checks of the rows of lists; an error names the list and the line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd

from diccae.datasets.readers.columns import arrow, map_values
from diccae.errors import UserError
from diccae.validation import did_you_mean


def check_rows(
    rows: pd.DataFrame,
    bad: np.ndarray | pd.Series,
    describe: Callable[[pd.Series], str],
    way_out: str = "correct the line or remove it",
) -> None:
    """Check that no row is bad.

    Args:
        rows: N rows of lists.
        bad: bool (N,), whether a row is bad.
        describe: says what is wrong with a row.
        way_out: what to do about it.

    Raises:
        UserError: a row is bad (with the list and line of the first one).
    """
    at = np.flatnonzero(bad)
    if len(at):
        row = rows.iloc[at[0]]
        more = f" ({len(at)} rows are like this)" if len(at) > 1 else ""
        words = f"{describe(row)}{more}".removesuffix("?")
        raise UserError(f"{place(rows, row)}: {words}; {way_out}")


def place(rows: pd.DataFrame, row: pd.Series) -> str:
    """`my.csv, line 3`: where a row of lists stands; its id where that is not known, or where the
    list is a folder of files (line 0)."""
    if "list" not in row:
        return f"{row['source']}, {row['id']}"
    where = f"line {row['line']}" if row["line"] else row["id"]
    return f"{rows.attrs['lists'][row['list']]}, {where}"


def closest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for a known word in another case, a longer or shorter form, or one
    with a typing error; else nothing."""
    known, folded = list(known), word.strip().casefold()
    same = [other for other in known if other.casefold() == folded]
    begins = [
        other
        for other in known
        if len(folded) > 1 and (other.startswith(folded) or folded.startswith(other))
    ]
    close = "" if same else did_you_mean(folded, known)
    return close or (f"; did you mean {(same + begins)[0]!r}?" if same + begins else "")


def drop_duplicates(
    rows: pd.DataFrame, columns: Sequence[str], way_out: str = "remove one of the two lines"
) -> pd.DataFrame:
    """Drop rows whose `id` occurs in an earlier row; `attrs` counts them as `duplicates`.

    Args:
        rows: N rows of lists.
        columns: the columns that rows with the same id must share.
        way_out: what to do where they do not.

    Raises:
        UserError: two rows with the same id differ in one of the `columns`.
    """
    codes = pd.Series(arrow(rows["id"]).dictionary_encode().indices.to_numpy())
    again = codes.duplicated().to_numpy()
    attrs = {**rows.attrs, "listed": len(rows), "duplicates": int(again.sum())}
    if again.any():
        shared = codes.isin(codes[again].unique()).to_numpy()
        group, members = codes[shared].to_numpy(), rows[shared]
        members.attrs = rows.attrs
        # where each row's id was first seen
        first = members.iloc[
            pd.Series(np.arange(len(members))).groupby(group).transform("first").to_numpy()
        ]
        for column in columns:
            differs = (members[column].to_numpy() != first[column].to_numpy()) & ~(
                members[column].isna().to_numpy() & first[column].isna().to_numpy()
            )
            if differs.any():
                at = np.flatnonzero(differs)[0]
                row, other = members.iloc[at], first.iloc[at]
                here, there = (
                    repr("" if pd.isna(each[column]) else str(each[column]))
                    for each in (row, other)
                )
                raise UserError(
                    f"{place(rows, row)}: {row['id']} has {column} {here}, but {there} in "
                    f"{place(rows, other)}; {way_out}"
                )
        rows = rows[~again].reset_index(drop=True)
    rows.attrs = attrs
    return rows


def numbers(rows: pd.DataFrame, column: str, read: Callable[[str], float] = float) -> np.ndarray:
    """Convert a column of text to finite numbers >= 0, float64 (N,).

    Args:
        rows: N rows of lists.
        column: name of the column.
        read: converts one cell; raises ValueError where it cannot.

    Raises:
        UserError: a cell is no such number (with its list and line).
    """

    def value(cell: str) -> float:
        try:
            number = read(cell)
        except ValueError:
            return np.nan
        return number if 0 <= number < np.inf else np.nan

    values = map_values(rows[column], value).astype(np.float64)
    kind = "whole number" if read is int else "number"
    check_rows(
        rows, np.isnan(values), lambda row: f"{column}: wanted a {kind} >= 0, got {row[column]!r}"
    )
    return values


def folds(rows: pd.DataFrame) -> np.ndarray:
    """Official folds of N rows, int32 (N,), -1 where `fold` is empty.

    Raises:
        UserError: a fold is not a whole number from 1 (with its list and line).
    """
    given = (rows["fold"] != "").to_numpy(bool)
    # spreadsheets write 1.0
    values = numbers(rows, "fold", lambda cell: float(cell or 0))
    check_rows(
        rows,
        given & ((values < 1) | (values % 1 != 0)),
        lambda row: f"wanted a fold counted from 1, got {row['fold']!r}",
    )
    return np.where(given, values, -1).astype(np.int32)


def check_file_names(rows: pd.DataFrame, columns: Sequence[str]) -> None:
    """Check that each `id`, the name of a file, begins with the cells of some columns, joined
    by '-'.

    A list that was sorted by some of its columns only does not pass.

    Raises:
        UserError: it does not (with the list and line).
    """
    said = rows[list(columns)].agg("-".join, axis=1)
    check_rows(
        rows.assign(said=said),
        np.array(
            [not name.startswith(cells) for name, cells in zip(rows["id"], said, strict=True)]
        ),
        lambda row: (
            f"the name of the file is {row['id']!r}, but the columns {', '.join(columns)} say "
            f"{row['said']!r}"
        ),
        "download the list again",
    )


def check_youtube_ids(rows: pd.DataFrame) -> None:
    """Check that `video` is a YouTube id in every row.

    Raises:
        UserError: it is not (with the list and line).
    """
    check_rows(
        rows,
        ~rows["video"].str.fullmatch(r"[\w-]{11}").to_numpy(bool),
        lambda row: (
            f"wanted a YouTube id of 11 characters, got {row['video']!r} (spreadsheets change ids)"
        ),
    )


def check_spans(rows: pd.DataFrame) -> None:
    """Check that `end` is after `start` in every row.

    Raises:
        UserError: it is not (with the list and line).
    """
    check_rows(
        rows,
        (rows["end"] <= rows["start"]).to_numpy(),
        lambda row: f"the clip ends at {row['end']} s and starts at {row['start']} s",
    )
