"""Reading list files: rows with their line numbers."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from diccae.datasets.readers.checks import closest
from diccae.datasets.readers.columns import text
from diccae.errors import UserError


def read_rows(
    path: Path,
    names: Sequence[str] | None = None,
    *,
    spaced: bool = False,
    published: bool = True,
) -> pd.DataFrame:
    """Read a list file as columns of text.

    Comments (#) at the top and blank lines are skipped. The column `line` holds the line number.

    Args:
        path: a file of comma-separated values.
        names: the columns of a list without a header; None where the first row names them.
        spaced: whether a space follows each comma, also before quotes, as in AudioSet's lists.
        published: whether the list can be downloaded again.

    Raises:
        UserError: the file is missing, not UTF-8 or without rows, a row has another number of
            cells, or a cell goes on in the next line (with the line).
    """
    data = read_bytes(path)
    _check_text(path, data)
    if spaced:
        data = data.replace(b", ", b",")
    comments = _comments(path, data, published)
    again = "correct the list" + (" or download it again" if published else "")
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
        if row.actual_columns > row.expected_columns:
            hint = "; a name with a comma needs quotes around it"
        else:
            hint = separator(row.text) if row.actual_columns == 1 else ""
        bad.append(
            f"{path}, line {row.number}: wanted {row.expected_columns} cells ({','.join(names)}), "
            f"got {row.actual_columns} ({row.text[:120]!r}){hint}"
        )
        return "error"

    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(data),
            read_options=arrow_csv.ReadOptions(
                # one block, since a quote that is not closed takes all that follows into its cell
                use_threads=False,
                block_size=len(data) + 1,
                skip_rows=comments + header,
                column_names=names,
            ),
            parse_options=arrow_csv.ParseOptions(
                invalid_row_handler=invalid, ignore_empty_lines=False, newlines_in_values=True
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types={name: pa.large_string() for name in names}, strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        problem = f"{path}: not a list of comma-separated text ({str(error).splitlines()[0]})"
        raise UserError(f"{(bad or [problem])[0]}; {again}") from None
    lines = np.arange(1, len(table) + len(blank) + 1) + comments + header
    lines = lines[~np.isin(lines, blank)].astype(np.int32)
    _check_one_line(path, table, lines, again)
    rows = pd.DataFrame({name: text(pc.utf8_trim_whitespace(table[name])) for name in names})
    rows["line"] = lines
    filled = np.zeros(len(rows), bool)
    for name in names:
        filled |= (rows[name] != "").to_numpy(bool)
    rows = rows[filled].reset_index(drop=True)
    if rows.empty:
        raise _empty(path, published)
    return rows


def read_table(
    path: Path,
    wanted: Sequence[str],
    optional: Sequence[str] = (),
    other_words: Mapping[str, str] | None = None,
    published: bool = True,
) -> pd.DataFrame:
    """Read a list whose header names its columns, in any order.

    Args:
        path: a file of comma-separated values.
        wanted: columns that it must have.
        optional: further columns that it may have.
        other_words: frequent wrong name of a column -> its name, for the message.
        published: whether the list can be downloaded again.

    Raises:
        UserError: a column is missing, unknown, without a name or there twice; cells are not
            separated by commas; or as `read_rows`.
    """
    names = first_cells(path, published)
    header = ",".join(names)
    if len(names) == 1 and separator(header):
        raise UserError(f"{path}: wanted cells separated by commas{separator(header)}")
    missing = [name for name in wanted if name not in names]
    if missing:
        raise UserError(
            f"{path}: wanted the columns {','.join(wanted)}, {','.join(missing)} missing; "
            f"correct its first line, {header[:120]!r}"
        )
    known = [*wanted, *optional]
    for number, name in enumerate(names, 1):
        if name in names[: number - 1]:
            raise UserError(f"{path}: the column {name!r} is there twice; remove one")
        if not name and name not in known:
            raise UserError(f"{path}: column {number} has no name; name it or remove it")
        if name not in known:
            other = (other_words or {}).get(name.casefold())
            hint = f"; did you mean {other!r}?" if other else closest(name, known)
            raise UserError(
                f"{path}: unknown column {name!r}{hint or '; remove it'} "
                f"(known are {', '.join(known)})"
            )
    return read_rows(path, published=published)


def first_cells(path: Path, published: bool = True) -> list[str]:
    """The cells of the first row after comments and blank lines.

    Raises:
        UserError: the file is missing or without rows.
    """
    data = read_bytes(path)
    return _cells(path, data, _comments(path, data, published))


def separator(line: str) -> str:
    """What to do about a line whose cells are separated by semicolons or tabs, else nothing."""
    for character, name in ((";", "';'"), ("\t", "tabs")):
        if character in line:
            return f"; they are separated by {name}: save the list with commas"
    return ""


def _empty(path: Path, published: bool) -> UserError:
    way_out = "download it again" if published else "write its rows, or name another list"
    return UserError(f"{path}: there is no row in this list; {way_out}")


def read_bytes(path: Path) -> bytes:
    """The bytes of a list file, without a byte order mark.

    Raises:
        UserError: the file cannot be read, or is UTF-16.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UserError(
            f"{path}: the list cannot be read ({error.strerror}); name a file that can, in "
            "lists.sources of the plan or with --lists and --classes"
        ) from None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"{path}: it is UTF-16; save it as UTF-8 text")
    return data.removeprefix(b"\xef\xbb\xbf")


def _check_text(path: Path, data: bytes) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = len(re.findall(rb"\r\n|\n|\r", data[: error.start])) + 1
        raise UserError(
            f"{path}, line {line}: it is not UTF-8; save the list as UTF-8 text"
        ) from None


def _check_one_line(path: Path, table: pa.Table, lines: np.ndarray, again: str) -> None:
    """Check that no cell has a line break: the rows that a quote takes into its cell would be
    lost."""
    for name in table.column_names:
        broken = pc.match_substring_regex(table[name], r"[\r\n]")
        at = pc.index(broken, True).as_py()
        if at >= 0:
            raise UserError(
                f"{path}, line {lines[at]}: the cell {name} goes on in the next line, so a quote "
                f"is not closed or it has a line break; {again}"
            )


def _comments(path: Path, data: bytes, published: bool) -> int:
    """The number of lines at the top that are comments or blank."""
    start = 0
    for count, match in enumerate(re.finditer(rb"\r\n|\n|\r|\Z", data)):
        line = data[start : match.start()].strip()
        if line and not line.startswith(b"#"):
            return count
        start = match.end()
    raise _empty(path, published)


def _cells(path: Path, data: bytes, comments: int) -> list[str]:
    lines = re.split(rb"\r\n|\n|\r", data, maxsplit=comments + 1)
    _check_text(path, b"\n" * comments + lines[comments])
    return [cell.strip() for cell in next(csv.reader([lines[comments].decode()]), [])]


def read_lists(lists: Sequence[Path], read_one: Callable[[Path], pd.DataFrame]) -> pd.DataFrame:
    """Read several lists and concatenate their rows.

    Args:
        lists: the list files.
        read_one: reads one of them.

    Returns:
        The rows, with the column `list`, an index into `attrs['lists']`, the paths of the lists.

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
