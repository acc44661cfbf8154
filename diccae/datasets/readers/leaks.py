"""Leaks between splits: one recording, or one file, in training and in evaluation clips."""

from __future__ import annotations

import contextlib
import os

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from diccae.datasets.readers.checks import place
from diccae.datasets.readers.columns import arrow, map_text
from diccae.errors import UserError

# clips of all other splits are trained on
EVALUATED = {"validation": 1, "test": 2, "eval": 2}
DRAWN = (
    "validation clips are drawn from train by lists.validation_per_class: set it to 0 and list a "
    "split validation of other recordings"
)


def check_leaks(table: pd.DataFrame, drawn: np.ndarray | None = None) -> list[str]:
    """Check that no recording is in two of training, validation and test with overlapping spans.

    Recordings are the same where `video` is, also in another spelling of a path, or where the files
    are the same, also under a link. `stat` is called once for each file that was found.

    Args:
        table: a manifest of N clips; without ORIGIN, spans are compared within files only.
        drawn: bool (N,), whether the split of a clip was drawn from train; None for no clip.

    Returns:
        Notes that count the files under a second name within a split, and the validation and test
        clips of which another part of the recording is in another split, if there are any.

    Raises:
        UserError: two spans overlap (with the list and line of both).
    """
    role = table["split"].map(EVALUATED).fillna(0).to_numpy(np.int8)
    if len(np.unique(role)) < 2:
        return []
    drawn = np.zeros(len(table), bool) if drawn is None else drawn
    shared = np.zeros(len(table), bool)
    unknown = pd.Series(np.nan, table.index)
    files, links = _files(table["path"])
    for key, start, end in (
        (_recordings(table["video"]), table.get("begin", unknown), table.get("finish", unknown)),
        (files, table["start"], table["end"]),
    ):
        rows = np.flatnonzero(_in_two(key, role))
        spans = pd.DataFrame(
            {
                "row": rows,
                "key": key[rows],
                "role": role[rows],
                "start": start.to_numpy()[rows],
                "end": end.fillna(np.inf).to_numpy()[rows],
            }
        )
        pair = _overlap(spans[spans["start"].notna()])
        if pair is not None:
            raise UserError(_describe(table, pair, bool(drawn[list(pair)].any())))
        shared[rows] = True
    notes = []
    if links:
        notes.append(f"paths that are a second name of another clip's file: {links}")
    count = int((shared & (role > 0)).sum())
    if count:
        notes.append(
            "validation and test clips from recordings that have clips in another split too: "
            f"{count} (no known spans overlap)"
        )
    return notes


def _recordings(video: pd.Series) -> np.ndarray:
    """A number for each recording, int64 (N,); paths are compared without `./` and `//`."""
    if pc.any(pc.match_substring(arrow(video), "/")).as_py():
        video = map_text(video, lambda name: os.path.normpath(name) if "/" in name else name)
    return arrow(video).dictionary_encode().indices.to_numpy().astype(np.int64)


def _files(path: pd.Series) -> tuple[np.ndarray, int]:
    """A number for each file, int64 (N,), -1 where there is none; and the number of paths that are
    second names of a file."""
    encoded = arrow(path).dictionary_encode()
    where = np.zeros((len(encoded.dictionary), 2), np.uint64)
    for number, name in enumerate(encoded.dictionary):
        # a file that vanished since it was found is named when it is read
        with contextlib.suppress(OSError):
            found = os.stat(name.as_py()) if name.as_py() else None
            where[number] = (found.st_dev, found.st_ino) if found else 0
    numbers = np.unique(where, axis=0, return_inverse=True)[1].reshape(-1)
    numbers = np.where(where.any(1), numbers, -1)
    there = numbers[numbers >= 0]
    links = len(there) - len(np.unique(there))
    return numbers[encoded.indices.to_numpy()], links


def _in_two(key: np.ndarray, role: np.ndarray) -> np.ndarray:
    """Whether the key of a row occurs in two roles, bool (N,); keys below 0 are none."""
    there = np.zeros((3, key.max(initial=0) + 1), bool)
    real = key >= 0
    there[role[real], key[real]] = True
    return real & (there.sum(0) > 1)[key]


def _overlap(spans: pd.DataFrame) -> tuple[int, int] | None:
    """Rows of the first two overlapping spans of one recording with different roles."""
    spans = spans.sort_values(["key", "start", "row"], ignore_index=True)
    for role in range(3):
        # the span of this role that ends last, among the earlier ones of the recording
        end = spans["end"].where(spans["role"] == role, -np.inf)
        latest = end.groupby(spans["key"]).cummax()
        hit = np.flatnonzero((spans["role"] != role) & (latest > spans["start"]))
        if len(hit):
            at = spans.iloc[hit[0]]
            earlier = spans.iloc[: hit[0]]
            earlier = earlier[(earlier["key"] == at["key"]) & (earlier["role"] == role)]
            return int(earlier.loc[earlier["end"].idxmax(), "row"]), int(at["row"])
    return None


def _describe(table: pd.DataFrame, pair: tuple[int, int], drawn: bool) -> str:
    one, other = (table.iloc[row] for row in sorted(pair))
    return (
        f"{place(table, other)}: {other['id']} ({other['split']}) is from the same recording as "
        f"{one['id']} ({one['split']}) in {place(table, one)}, and their spans overlap; "
        + (DRAWN if drawn else "give both one split or remove one of them")
    )
