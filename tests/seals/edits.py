"""Edits of a single file of a results folder, by what a file is and not by its name."""

from __future__ import annotations

import csv
import io
import random
import re
from collections.abc import Callable
from pathlib import Path

Edit = Callable[[bytes, random.Random], bytes]

TEXT = {".json", ".csv", ".svg", ".html"}


def flip_a_byte(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :]


def truncate(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def append(content: bytes, rng: random.Random) -> bytes:
    return content + b"\n"


def change_a_digit(content: bytes, rng: random.Random) -> bytes:
    place = rng.choice([i for i, byte in enumerate(content) if 48 <= byte <= 57])
    other = rng.choice([digit for digit in b"0123456789" if digit != content[place]])
    return content[:place] + bytes([other]) + content[place + 1 :]


def drop_a_line(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    del lines[rng.randrange(len(lines))]
    return b"".join(lines)


def double_a_line(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    place = rng.randrange(len(lines))
    return b"".join([*lines[: place + 1], *lines[place:]])


def other_line_ends(content: bytes, rng: random.Random) -> bytes:
    return content.replace(b"\n", b"\r\n")


def empty_a_cell(content: bytes, rng: random.Random) -> bytes:
    rows = _rows(content)
    row, column = rng.choice(
        [(i, j) for i, row in enumerate(rows[1:], 1) for j, cell in enumerate(row) if cell]
    )
    rows[row][column] = ""
    return _csv(rows)


def double_a_column(content: bytes, rng: random.Random) -> bytes:
    rows = _rows(content)
    column = rng.randrange(len(rows[0]))
    return _csv([[*row, row[column]] for row in rows])


def drop_a_column(content: bytes, rng: random.Random) -> bytes:
    rows = _rows(content)
    column = rng.randrange(len(rows[0]))
    return _csv([[cell for j, cell in enumerate(row) if j != column] for row in rows])


def replace_a_word(content: bytes, rng: random.Random) -> bytes:
    words = re.finditer(rb"(?<=[ >])(?:accuracy|clips|mean|method|runs)\b", content)
    word = rng.choice(list(words))
    return content[: word.start()] + b"something" + content[word.end() :]


def edits_of(path: Path, content: bytes) -> list[Edit]:
    """The edits that suit a file, most of them for any file of its kind."""
    edits = [flip_a_byte, truncate, append]
    if path.suffix in TEXT:
        edits += [drop_a_line, double_a_line, other_line_ends]
        edits += [change_a_digit] if any(48 <= byte <= 57 for byte in content) else []
    if path.suffix == ".csv":
        edits += [empty_a_cell, double_a_column, drop_a_column]
    if path.suffix == ".html":
        edits += [replace_a_word]
    return edits


def edit(path: Path, others: dict[Path, bytes], rng: random.Random) -> str:
    """Edit, delete or rename a file, or put another one of its kind in its place; says which.

    Args:
        path: the file.
        others: content of all files, as they were.
        rng: draws the edit.
    """
    content = others[path]
    how = rng.choices(["edit", "delete", "rename", "replace"], [7, 1, 1, 1])[0]
    if how == "delete":
        path.unlink()
    elif how == "rename":
        path.rename(path.with_name(f"renamed-{path.name}"))
    elif how == "replace":
        alike = [new for p, new in others.items() if p.suffix == path.suffix and new != content]
        path.write_bytes(rng.choice(alike or [b"something"]))
    else:
        changed = content
        while changed == content:
            chosen = rng.choice(edits_of(path, content))
            how, changed = chosen.__name__, chosen(content, rng)
        path.write_bytes(changed)
    return how


def _rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


def _csv(rows: list[list[str]]) -> bytes:
    handle = io.StringIO(newline="")
    csv.writer(handle, lineterminator="\n").writerows(rows)
    return handle.getvalue().encode()
