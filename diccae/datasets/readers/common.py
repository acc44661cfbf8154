"""What the readers share about list files: rows with their line numbers, columns, duplicates and contradictions, class order."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from diccae.errors import UserError

# list files


def read_rows(
    path: Path, names: Sequence[str] | None = None, *, spaced: bool = False
) -> pd.DataFrame:
    """Rows of a list as columns of text, with `line`, the line number in the file; header comments (#) and blank lines are passed over.

    Args:
        names: the columns of a list without a header; None where the first row names them.
        spaced: a space follows each comma, also before quotes, as in AudioSet's lists.

    Raises:
        UserError: no such file, not UTF-8, no rows, or a row with another number of cells (names the line).
    """
    data = _bytes(path)
    if spaced:
        data = data.replace(b", ", b",")
    comments = _comments(path, data)
    if names is None:
        names, header = _cells(path, data, comments), 1
    else:
        header = 0
    blank: list[int] = []
    bad: list[str] = []

    def invalid(row: Any) -> str:
        if not row.text.strip():
            blank.append(row.number)
            return "skip"
        hint = (
            "; a name with a comma needs quotes around it"
            if row.actual_columns > row.expected_columns
            else ""
        )
        bad.append(
            f"{path}, line {row.number}: wanted {row.expected_columns} cells ({','.join(names)}), "
            f"got {row.actual_columns} ({row.text[:120]!r}){hint}"
        )
        return "error"

    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(data),
            read_options=arrow_csv.ReadOptions(
                use_threads=False, skip_rows=comments + header, column_names=names
            ),
            parse_options=arrow_csv.ParseOptions(
                invalid_row_handler=invalid, ignore_empty_lines=False
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types={name: pa.large_string() for name in names}, strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        words = f"{path}: not a list of comma-separated UTF-8 text ({str(error).splitlines()[0]})"
        raise UserError(f"{(bad or [words])[0]}; mend the list or download it again") from None
    rows = pd.DataFrame({name: text(pc.utf8_trim_whitespace(table[name])) for name in names})
    lines = np.arange(1, len(rows) + len(blank) + 1) + comments + header
    rows["line"] = lines[~np.isin(lines, blank)].astype(np.int32)
    filled = np.zeros(len(rows), bool)
    for name in names:
        filled |= (rows[name] != "").to_numpy(bool)
    rows = rows[filled].reset_index(drop=True)
    if rows.empty:
        raise UserError(f"{path}: there is no row in this list; download it again")
    return rows


def first_cells(path: Path) -> list[str]:
    """The cells of the first row after header comments and blank lines.

    Raises:
        UserError: no such file or no rows.
    """
    data = _bytes(path)
    return _cells(path, data, _comments(path, data))


def _bytes(path: Path) -> bytes:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UserError(
            f"{path}: the list cannot be read ({error.strerror}); check --lists and --classes"
        ) from None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"{path}: it is UTF-16; save it as UTF-8 text")
    return data.removeprefix(b"\xef\xbb\xbf")


def _comments(path: Path, data: bytes) -> int:
    """The number of lines at the top that are comments or blank."""
    start = 0
    for count, match in enumerate(re.finditer(rb"\r\n|\n|\r|\Z", data)):
        line = data[start : match.start()].strip()
        if line and not line.startswith(b"#"):
            return count
        start = match.end()
    raise UserError(f"{path}: there is no row in this list; download it again")


def _cells(path: Path, data: bytes, comments: int) -> list[str]:
    lines = re.split(rb"\r\n|\n|\r", data, maxsplit=comments + 1)
    try:
        cells = next(csv.reader([lines[comments].decode()]), [])
    except UnicodeDecodeError:
        raise UserError(
            f"{path}, line {comments + 1}: it is not UTF-8; save the list as UTF-8 text"
        ) from None
    return [cell.strip() for cell in cells]


def want_columns(path: Path, rows: pd.DataFrame, wanted: Sequence[str]) -> None:
    """Raises UserError where the header lacks a column."""
    missing = [name for name in wanted if name not in rows]
    if missing:
        raise UserError(
            f"{path}: wanted the columns {','.join(wanted)}, {','.join(missing)} missing; see its first line"
        )


def read_lists(lists: Sequence[Path], read_one: Callable[[Path], pd.DataFrame]) -> pd.DataFrame:
    """The rows of several lists below each other; `list` says which of them a row comes from.

    Raises:
        UserError: there is no list.
    """
    if not lists:
        raise UserError("no list file was given; name one or more with --lists")
    tables = [
        read_one(Path(path)).assign(list=np.int16(number)) for number, path in enumerate(lists)
    ]
    rows = pd.concat(tables, ignore_index=True)
    rows.attrs = {"lists": [str(path) for path in lists]}
    return rows


def refuse(
    rows: pd.DataFrame, bad: np.ndarray | pd.Series, words: Callable[[pd.Series], str]
) -> None:
    """Raises UserError for the first row that is `bad` (N,), with its list and line; `words` tells what is wrong with it."""
    at = np.flatnonzero(bad)
    if len(at):
        row = rows.iloc[at[0]]
        more = f" ({len(at)} rows are like this)" if len(at) > 1 else ""
        raise UserError(f"{_place(rows, row)}: {words(row)}{more}; mend the line or take it out")


def _place(rows: pd.DataFrame, row: pd.Series) -> str:
    return f"{rows.attrs['lists'][row['list']]}, line {row['line']}"


def settle(rows: pd.DataFrame, facts: Sequence[str]) -> pd.DataFrame:
    """Drop rows that say again what an earlier row with the same `id` said; `attrs` counts them.

    Raises:
        UserError: two rows with the same id differ in one of the `facts`.
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
        for fact in facts:
            differs = (members[fact].to_numpy() != first[fact].to_numpy()) & ~(
                members[fact].isna().to_numpy() & first[fact].isna().to_numpy()
            )
            if differs.any():
                at = np.flatnonzero(differs)[0]
                row, other = members.iloc[at], first.iloc[at]
                raise UserError(
                    f"{_place(rows, row)}: {row['id']} has {fact} {str(row[fact])!r}, but {str(other[fact])!r} in "
                    f"{_place(rows, other)}; take one of the two lines out"
                )
        rows = rows[~again].reset_index(drop=True)
    rows.attrs = attrs
    return rows


# columns


def arrow(column: pd.Series) -> pa.Array:
    """A column as one Arrow array, without a copy where it is one in Arrow's memory; text as large strings."""
    array = pa.array(column)
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    return array.cast(pa.large_string()) if column.dtype in ("str", object) else array


def text(values: pa.Array | pa.ChunkedArray) -> pd.Series:
    """Arrow strings as a column that stays in Arrow's memory."""
    return values.cast(pa.large_string()).to_pandas()


def join(*parts: pd.Series | str) -> pd.Series:
    """Columns and constants, joined to one column of text row by row."""
    kind = pa.large_string()
    arrays = [pa.scalar(part, kind) if isinstance(part, str) else arrow(part) for part in parts]
    return text(pc.binary_join_element_wise(*arrays, pa.scalar("", kind)))


def by_value(column: pd.Series, change: Callable[[Any], Any]) -> np.ndarray:
    """`change` of each value (N,), called once for each that occurs."""
    encoded = arrow(column).dictionary_encode()
    return np.array([change(value) for value in encoded.dictionary.to_pylist()])[
        encoded.indices.to_numpy()
    ]


def spelled(column: pd.Series, change: Callable[[Any], str]) -> pd.Series:
    """`change` of each value as a column of text, called once for each that occurs."""
    encoded = arrow(column).dictionary_encode()
    changed = pa.array(
        [change(value) for value in encoded.dictionary.to_pylist()], pa.large_string()
    )
    return text(changed.take(encoded.indices))


def numbers(rows: pd.DataFrame, column: str, read: Callable[[str], float] = float) -> np.ndarray:
    """A column of text as finite float64 numbers >= 0, shape (N,).

    Raises:
        UserError: a cell is none (names the line).
    """

    def value(cell: str) -> float:
        try:
            number = read(cell)
        except ValueError:
            return np.nan
        return number if 0 <= number < np.inf else np.nan

    values = by_value(rows[column], value).astype(np.float64)
    refuse(
        rows, np.isnan(values), lambda row: f"{column}: wanted a number >= 0, got {row[column]!r}"
    )
    return values


def refuse_other_ids(rows: pd.DataFrame) -> None:
    """Raises UserError for the first row whose `video` is no YouTube id."""
    refuse(
        rows,
        ~rows["video"].str.fullmatch(r"[\w-]{11}").to_numpy(bool),
        lambda row: (
            f"wanted a YouTube id of 11 characters, got {row['video']!r} (spreadsheets change ids)"
        ),
    )


def refuse_empty_spans(rows: pd.DataFrame) -> None:
    """Raises UserError for the first row whose `end` does not come after its `start`."""
    refuse(
        rows,
        (rows["end"] <= rows["start"]).to_numpy(),
        lambda row: f"the clip ends at {row['end']} s and starts at {row['start']} s",
    )


# classes


def read_classes(path: Path) -> list[str]:
    """Class names by index, from `index,mid,display_name`, `label,label_name`, UCF101's classInd.txt, VGGSound's stat.csv or one name a line.

    An index column sets the order, counted from its smallest number; stat.csv is sorted, as VGGSound's own code does; a plain list keeps its order.

    Raises:
        UserError: indices leave a gap or a name or index is there twice.
    """
    cells = [cell.lower() for cell in first_cells(path)]
    if cells in (["index", "mid", "display_name"], ["label", "label_name"]):
        rows = read_rows(path)
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
        raise UserError(f"{path}: the class {twice!r} is there twice; take one out")
    return [names[place] for place in np.argsort(order)]


def _lines(path: Path) -> list[str]:
    return [
        line.strip() for line in _bytes(path).decode(errors="replace").splitlines() if line.strip()
    ]


def add_labels(rows: pd.DataFrame, classes: Sequence[str] | None) -> None:
    """Set `label` from `label_name`: the index in `classes`, or in the sorted names where that is None; an empty name gets -1.

    Raises:
        UserError: a name is not one of `classes` (names the line).
    """
    encoded = arrow(rows["label_name"]).dictionary_encode()
    found = encoded.dictionary.to_pylist()
    if classes is None:
        classes = sorted(name for name in found if name)
    known = {name: label for label, name in enumerate(classes)} | {"": -1}
    lookup = np.array([known.get(name, -2) for name in found], np.int32)
    rows["label"] = lookup[encoded.indices.to_numpy()]
    refuse(
        rows,
        rows["label"].to_numpy() == -2,
        lambda row: f"{row['label_name']!r} is not one of the classes",
    )
    rows.attrs["classes"] = list(classes)
