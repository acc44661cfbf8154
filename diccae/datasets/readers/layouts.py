"""Finding the clips of a list on the disk, under the names and in the folders in which people hold them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from diccae.datasets.readers.common import arrow, by_value, join, spelled, text
from diccae.errors import UserError

# the order is the preference where a clip is there twice
ENDINGS = ("mp4", "mkv", "webm", "avi", "mov", "m4v", "flv", "mpg", "mpeg", "wmv", "3gp", "ts")
FLUSH = 200_000
PROBES = 9
SAMPLE = 2000


@dataclass(frozen=True)
class Layout:
    """One way to name files.

    Args:
        pattern: the name in words, without folder and ending.
        stems: rows -> names without folder and ending, one a row.
        cut: whether a file is just the clip (True), or the recording that contains it (False); None where the name does not tell.
    """

    pattern: str
    stems: Callable[[pd.DataFrame], pd.Series]
    cut: bool | None


def youtube_layouts(prefixes: Sequence[str] = ("",)) -> list[Layout]:
    """The names that download tools give to a span of a YouTube video."""
    styles: list[tuple[str, Callable[[float], str]]] = [
        ("6 digits", lambda time: f"{time:06.0f}"),
        ("s", lambda time: f"{time:g}"),
        ("s.0", lambda time: f"{time:.1f}"),
        ("s.000", lambda time: f"{time:.3f}"),
        ("ms", lambda time: f"{time * 1000:.0f}"),
    ]
    layouts = []
    for prefix in prefixes:
        for style, show in styles:
            layouts.append(
                Layout(
                    f"{prefix}<id>_<start {style}>",
                    partial(_start_stems, prefix=prefix, show=show),
                    True,
                )
            )
            for dash in "_-":
                stems = partial(_span_stems, prefix=prefix, show=show, dash=dash)
                layouts.append(Layout(f"{prefix}<id>_<start {style}>{dash}<end>", stems, True))
        layouts.append(Layout(f"{prefix}<id>", partial(_video_stems, prefix=prefix), None))
    return layouts


def _video_stems(rows: pd.DataFrame, prefix: str) -> pd.Series:
    return join(prefix, rows["video"])


def _start_stems(rows: pd.DataFrame, prefix: str, show: Callable[[float], str]) -> pd.Series:
    return join(prefix, rows["video"], "_", spelled(rows["start"], show))


def _span_stems(
    rows: pd.DataFrame, prefix: str, show: Callable[[float], str], dash: str
) -> pd.Series:
    return join(_start_stems(rows, prefix, show), dash, spelled(rows["end"], show))


def _walk(media: Path) -> Iterator[tuple[str, str]]:
    """(folder relative to `media`, name) of every video file below it; links to folders are followed, each folder once."""
    seen, waiting = set(), [""]
    while waiting:
        folder = waiting.pop()
        where = os.stat(media / folder)
        if (where.st_dev, where.st_ino) in seen:
            continue
        seen.add((where.st_dev, where.st_ino))
        with os.scandir(media / folder) as entries:
            for entry in entries:
                if entry.is_dir():
                    waiting.append(f"{folder}{entry.name}/")
                elif entry.name.rpartition(".")[2].lower() in ENDINGS and entry.is_file():
                    yield folder, entry.name


def scan(media: Path) -> pd.DataFrame:
    """Every video file below `media`: `stem`, `path` relative to it, and `copies`, the number of files with this stem; one row a stem.

    Raises:
        UserError: `media` is no folder or cannot be read.
    """
    if not Path(media).is_dir():
        raise UserError(f"{media}: no such folder; set --media to the folder that holds the clips")
    stems: list[pa.Array] = []
    paths: list[pa.Array] = []
    names: list[str] = []
    places: list[str] = []

    def flush() -> None:
        stems.append(pa.array(names, pa.large_string()))
        paths.append(pa.array(places, pa.large_string()))
        names.clear()
        places.clear()

    try:
        for folder, name in _walk(Path(media)):
            names.append(name.rpartition(".")[0])
            places.append(folder + name)
            if len(names) == FLUSH:
                flush()
        flush()
    except OSError as error:
        raise UserError(
            f"{error.filename}: it cannot be read ({error.strerror}); change its mode or set --media to a folder without it"
        ) from None
    except UnicodeEncodeError as error:
        raise UserError(
            f"{media}: a file name is not UTF-8 ({error.object!r}); rename it"
        ) from None
    files = pd.DataFrame(
        {"stem": text(pa.chunked_array(stems)), "path": text(pa.chunked_array(paths))}
    )
    codes = arrow(files["stem"]).dictionary_encode().indices.to_numpy()
    files["copies"] = np.bincount(codes, minlength=1)[codes].astype(np.int32)
    several = files[files["copies"] > 1]
    if len(several):
        rank = by_value(
            several["path"].str.replace(r".*\.", "", regex=True).str.lower(), ENDINGS.index
        )
        several = several.iloc[
            np.lexsort((several["path"].to_numpy(str), several["path"].str.len(), rank))
        ]
        files = pd.concat(
            [files[files["copies"] == 1], several[~several["stem"].duplicated()]], ignore_index=True
        )
    return files


def locate(rows: pd.DataFrame, media: Path | None, layouts: Sequence[Layout]) -> pd.DataFrame:
    """Add `path` (absolute; empty where there is no file) and make `start` and `end` those within the file, by the first layout that names a file.

    `rows` needs what the layouts need, `start` and `end` in the recording. `attrs` gets `found`, `layouts` (layout in words -> clips),
    `several_files`, the clips of which there is more than one file (taken: the first ending of ENDINGS, then the shortest path), and
    `ambiguous`, the clips not taken because a cut clip that is named by its recording alone may be any of several spans.

    Raises:
        UserError: `media` is no folder, or holds both cut clips and whole recordings under names that do not tell.
    """
    kind = pa.large_string()
    found = np.full(len(rows), -1, np.int64)
    start, end = (
        rows["start"].to_numpy(np.float64, copy=True),
        rows["end"].to_numpy(np.float64, copy=True),
    )
    counts: dict[str, int] = {}
    ambiguous = 0
    files = (
        scan(media)
        if media is not None
        else pd.DataFrame({"stem": [], "path": [], "copies": []}, dtype="str")
    )
    stems, unused = arrow(files["stem"]), np.ones(len(files), bool)
    lengths = pc.binary_length(stems).to_numpy()
    for layout in _likely_first(rows, stems, layouts):
        missing = np.flatnonzero(found < 0)
        if len(missing) == 0 or not unused.any():
            break
        keys = arrow(layout.stems(rows.iloc[missing]))
        # hashing millions of names is what takes time: leave out those that cannot be equal
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
            cut, remark = _probe(Path(str(media)), paths, start[hit], end[hit])
            if cut:
                shared = np.bincount(found[hit])[found[hit]] > 1
                ambiguous += int(shared.sum())
                found[hit[shared]] = -1
                hit, paths = hit[~shared], paths[~shared]
        if cut:
            start[hit], end[hit] = 0.0, end[hit] - start[hit]
        for folders, clips in _folders(paths, rows.attrs.get("classes", [])).items():
            counts[f"{folders}{layout.pattern}{remark}"] = clips
    relative = arrow(files["path"]).take(pa.array(found, mask=found < 0))
    prefix = pa.scalar(os.path.abspath(media).rstrip("/") + "/" if media is not None else "", kind)
    absolute = pc.binary_join_element_wise(prefix, relative, pa.scalar("", kind))
    attrs = rows.attrs | {
        "found": int((found >= 0).sum()),
        "layouts": counts,
        "ambiguous": ambiguous,
        "several_files": int((files["copies"].to_numpy(np.int32)[found[found >= 0]] > 1).sum())
        if len(files)
        else 0,
    }
    rows = rows.assign(path=text(pc.fill_null(absolute, "")), start=start, end=end)
    rows.attrs = attrs
    return rows


def _likely_first(rows: pd.DataFrame, stems: pa.Array, layouts: Sequence[Layout]) -> list[Layout]:
    """The layouts that name files of a sample of rows first; among them, cut clips, then those that name more."""
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
    return np.bincount(others, minlength=lengths.max(initial=0) + 1)[lengths] > 0


def _folders(paths: pd.Series, classes: Sequence[str]) -> dict[str, int]:
    """The folders of found files in words, and the clips in them: '', 'video/', '{test,train}/', '<class>/', '<folder>/'."""
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


def _probe(media: Path, paths: pd.Series, start: np.ndarray, end: np.ndarray) -> tuple[bool, str]:
    """Whether files named by the recording alone are cut clips, by the length of those whose spans start latest, and a remark for the layout."""
    votes: dict[bool, list[str]] = {True: [], False: []}
    for row in np.argsort(-start, kind="stable")[:PROBES]:
        length = _seconds(media / paths.iloc[row])
        if length is None or start[row] == 0:
            continue
        if length < end[row] - 1:
            votes[True].append(paths.iloc[row])
        # a clip cut at key frames is some seconds too long
        elif length > end[row] - start[row] + 5:
            votes[False].append(paths.iloc[row])
    total = len(votes[True]) + len(votes[False])
    if total == 0:
        return True, " (taken for cut clips: no length of those probed tells)"
    if 3 * min(map(len, votes.values())) > total:
        raise UserError(
            f"{media}: {votes[True][0]} is a cut clip and {votes[False][0]} a whole recording, but their names do not tell; "
            "put them into two folders and read each by itself"
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
