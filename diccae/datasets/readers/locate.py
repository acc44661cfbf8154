"""Finding the files of the clips of a list."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from diccae.datasets.readers.columns import arrow, text
from diccae.datasets.readers.layouts import Layout
from diccae.datasets.readers.scan import scan
from diccae.errors import UserError

# files whose length is read to tell cut clips from whole recordings
PROBES = 9
# rows by which layouts are put into order
SAMPLE = 2000
NO_FILES = pd.DataFrame({"stem": [], "path": [], "copies": []}, dtype="str").assign(sound=False)


def locate(rows: pd.DataFrame, media: Path | None, layouts: Sequence[Layout]) -> pd.DataFrame:
    """Find the files of clips by the names of `layouts`: videos, or sound files where no clip has a
    video.

    Args:
        rows: one row per clip, with `start` and `end` in seconds of the recording and the columns
            that the layouts use.
        media: the folder with the files, at any depth; None for no files.
        layouts: possible names of the files.

    Returns:
        The rows with `path` (absolute; empty where no file was found), `file` (below `media`),
        `start` and `end` in seconds of the file, and `begin` and `finish` in those of the
        recording (NaN where the list does not say the end). `attrs` counts the clips: `found`;
        `layouts`, by the description of the layout; `several_files`, with more than one file; and
        `ambiguous`, not taken because their file is a cut clip whose name fits several spans of
        the recording.

    Raises:
        UserError: `media` is no folder, or holds both cut clips and whole recordings under names
            that do not say which.
    """
    kind = pa.large_string()
    files = scan(media) if media is not None else NO_FILES
    sound = files["sound"].to_numpy(bool)
    match = _match(rows, files, ~sound, media, layouts)
    # sound files beside videos are often their sound tracks
    if sound.any() and not (match.found >= 0).any():
        match = _match(rows, files, sound, media, layouts)
    found = match.found
    relative = arrow(files["path"]).take(pa.array(found, mask=found < 0))
    begin = np.where(rows["end"].isna(), np.nan, rows["start"])
    prefix = pa.scalar(os.path.abspath(media).rstrip("/") + "/" if media is not None else "", kind)
    absolute = pc.binary_join_element_wise(prefix, relative, pa.scalar("", kind))
    attrs = rows.attrs | {
        "found": int((found >= 0).sum()),
        "layouts": match.layouts,
        "ambiguous": match.ambiguous,
        "several_files": int((files["copies"].to_numpy(np.int32)[found[found >= 0]] > 1).sum())
        if len(files)
        else 0,
    }
    rows = rows.assign(
        path=text(pc.fill_null(absolute, "")),
        file=text(pc.fill_null(relative, "")),
        begin=begin,
        finish=rows["end"],
        start=match.start,
        end=match.end,
    )
    rows.attrs = attrs
    return rows


@dataclass(frozen=True)
class _Match:
    """The file of each clip, int (N,), -1 for none; its span in seconds of the file, (N,); the
    number of clips of each layout; and of ambiguous ones."""

    found: np.ndarray
    start: np.ndarray
    end: np.ndarray
    layouts: dict[str, int]
    ambiguous: int


def _match(
    rows: pd.DataFrame,
    files: pd.DataFrame,
    asked_for: np.ndarray,
    media: Path | None,
    layouts: Sequence[Layout],
) -> _Match:
    """Find the files of N clips among those M of a folder that are `asked_for`, bool (M,)."""
    found = np.full(len(rows), -1, np.int64)
    start, end = (
        rows["start"].to_numpy(np.float64, copy=True),
        rows["end"].to_numpy(np.float64, copy=True),
    )
    counts: dict[str, int] = {}
    ambiguous = 0
    stems, unused = arrow(files["stem"]), asked_for.copy()
    lengths = pc.binary_length(stems).to_numpy()
    for layout in _likely_first(rows, stems.filter(pa.array(asked_for)), layouts):
        missing = np.flatnonzero(found < 0)
        if len(missing) == 0 or not unused.any():
            break
        keys = arrow(layout.stems(rows.iloc[missing]))
        # hashing millions of names takes time: skip names whose length occurs on one side only
        shown = pc.binary_length(keys).to_numpy()
        files_left = np.flatnonzero(unused & _among(lengths, shown))
        asked = _among(shown, lengths[files_left])
        missing, keys = missing[asked], keys.filter(pa.array(asked))
        place = pc.fill_null(pc.index_in(keys, value_set=stems.take(files_left)), -1).to_numpy()
        hit = missing[place >= 0]
        if len(hit) == 0:
            continue
        found[hit] = files_left[place[place >= 0]]
        unused[found[hit]] = False
        paths = files["path"].iloc[found[hit]]
        cut, remark = layout.cut, ""
        if cut is None:
            cut, remark = _are_cut(Path(str(media)), paths, start[hit], end[hit])
            if cut:
                shared = np.bincount(found[hit])[found[hit]] > 1
                ambiguous += int(shared.sum())
                found[hit[shared]] = -1
                hit, paths = hit[~shared], paths[~shared]
        if cut:
            start[hit], end[hit] = 0.0, end[hit] - start[hit]
        for folders, clips in _folders(paths, rows.attrs.get("classes", [])).items():
            counts[f"{folders}{layout.pattern}{remark}"] = clips
    return _Match(found, start, end, counts, ambiguous)


def _likely_first(rows: pd.DataFrame, stems: pa.Array, layouts: Sequence[Layout]) -> list[Layout]:
    """Sort layouts such that those that fit files of a sample of rows come first.

    Among these, layouts of cut clips come first, then those that fit more rows.
    """
    sample = rows.iloc[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), SAMPLE), dtype=int))]
    names = [arrow(layout.stems(sample)) for layout in layouts]
    there = stems.filter(pc.is_in(stems, value_set=pa.concat_arrays(names)))
    hits = [pc.sum(pc.is_in(keys, value_set=there)).as_py() or 0 for keys in names]
    order = sorted(
        zip(hits, layouts, strict=True),
        key=lambda pair: (pair[0] == 0, pair[1].cut is not True, -pair[0]),
    )
    return [layout for _, layout in order]


def _among(lengths: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Whether each length (N,) occurs among the others (M,); bool (N,)."""
    return np.bincount(others, minlength=lengths.max(initial=0) + 1)[lengths] > 0


def _folders(paths: pd.Series, classes: Sequence[str]) -> dict[str, int]:
    """Patterns of the folders of files, and the number of clips in each.

    A pattern is one of '', 'video/', '{test,train}/', '<class>/', '<folder>/', or several of them.
    """
    counts = paths.str.replace(r"[^/]*$", "", regex=True).value_counts()
    known = {name.replace("_", " ").lower() for name in classes}
    by_depth: dict[int, list[tuple[list[str], int]]] = {}
    for folder, clips in counts.items():
        parts = str(folder).split("/")[:-1]
        by_depth.setdefault(len(parts), []).append((parts, int(clips)))
    described = {}
    for depth, folders in sorted(by_depth.items()):
        shown = ""
        for level in range(depth):
            names = {parts[level] for parts, _ in folders}
            if {name.replace("_", " ").lower() for name in names} <= known:
                shown += "<class>/"
            elif len(names) == 1:
                shown += f"{names.pop()}/"
            elif len(names) <= 3:
                shown += f"{{{','.join(sorted(names))}}}/"
            else:
                shown += "<folder>/"
        described[shown] = sum(clips for _, clips in folders)
    return described


def _are_cut(media: Path, paths: pd.Series, start: np.ndarray, end: np.ndarray) -> tuple[bool, str]:
    """Whether files named by the recording alone are cut clips, and a remark for the layout.

    This is decided by the lengths of the PROBES files whose spans start latest.
    """
    votes: dict[bool, list[str]] = {True: [], False: []}
    for row in np.argsort(-start, kind="stable")[:PROBES]:
        length = _seconds(media / paths.iloc[row])
        if length is None or start[row] == 0:
            continue
        if length < end[row] - 1:
            votes[True].append(paths.iloc[row])
        # clips cut at key frames can be a few seconds too long
        elif length > end[row] - start[row] + 5:
            votes[False].append(paths.iloc[row])
    total = len(votes[True]) + len(votes[False])
    if total == 0:
        return True, " (assumed to be cut clips: the length of no probed file shows it)"
    if 3 * min(map(len, votes.values())) > total:
        raise UserError(
            f"{media}: {votes[True][0]} is a cut clip and {votes[False][0]} a whole recording, but "
            "their names do not say so; put them into two folders and read each by itself"
        )
    cut = len(votes[True]) > len(votes[False])
    what = "cut clips" if cut else "whole recordings"
    return cut, f" ({what}, by the length of {len(votes[cut])} of {total} probed)"


def _seconds(path: Path) -> float | None:
    try:
        with av.open(str(path)) as container:
            return container.duration / av.time_base if container.duration else None
    except (av.FFmpegError, OSError, ValueError):
        return None
