"""Finding the video and sound files below a folder."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from diccae.data_settings import SOUND_SUFFIXES
from diccae.datasets.readers.columns import arrow, map_values, text
from diccae.errors import UserError

VIDEO_SUFFIXES = (
    "mp4", "mkv", "webm", "avi", "mov", "m4v", "flv", "mpg", "mpeg", "wmv", "3gp", "ts",
)  # fmt: skip
# in the order of preference where a clip has several files
SUFFIXES = (*VIDEO_SUFFIXES, *SOUND_SUFFIXES)
# file names that are held as Python objects at a time
FLUSH = 200_000


def walk(media: Path) -> Iterator[tuple[str, str]]:
    """(folder relative to `media`, name) of every video or sound file below `media`.

    Links to folders are followed, but each folder is visited once.
    """
    seen, waiting = set(), [""]
    while waiting:
        folder = waiting.pop()
        where = os.stat(media / folder)
        if (where.st_dev, where.st_ino) in seen:
            continue
        seen.add((where.st_dev, where.st_ino))
        with os.scandir(media / folder) as entries:
            for entry in entries:
                try:
                    is_folder = entry.is_dir()
                except OSError as error:
                    # a link that leads to itself has no file, like a broken one
                    if error.errno != errno.ELOOP:
                        raise
                    continue
                if is_folder:
                    waiting.append(f"{folder}{entry.name}/")
                elif entry.name.rpartition(".")[2].lower() in SUFFIXES and entry.is_file():
                    yield folder, entry.name


def is_sound(paths: pd.Series) -> np.ndarray:
    """Whether each path (N,) has the suffix of a sound file; bool (N,)."""
    found = pc.match_substring_regex(arrow(paths), rf"(?i)\.({'|'.join(SOUND_SUFFIXES)})$")
    return found.to_numpy(zero_copy_only=False)


def scan(media: Path) -> pd.DataFrame:
    """Find all video and sound files below a folder.

    Of several files with one stem, the one with the first suffix of SUFFIXES is taken, then the
    one with the shortest path.

    Args:
        media: the folder.

    Returns:
        One row per stem: `stem`, the name without suffix; `path`, relative to `media`; `sound`,
        whether it is a sound file, which is so where there is no video file of this stem; `copies`,
        the number of files of the same kind with this stem.

    Raises:
        UserError: `media` is no folder or cannot be read, or a file name is not UTF-8.
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
        for folder, name in walk(Path(media)):
            names.append(name.rpartition(".")[0])
            places.append(folder + name)
            if len(names) == FLUSH:
                flush()
        flush()
    except OSError as error:
        raise UserError(
            f"{error.filename}: it cannot be read ({error.strerror}); change its mode or set "
            "--media to a folder without it"
        ) from None
    except UnicodeEncodeError as error:
        raise UserError(
            f"{media}: a file name is not UTF-8 ({error.object!r}); rename it"
        ) from None
    files = pd.DataFrame(
        {"stem": text(pa.chunked_array(stems)), "path": text(pa.chunked_array(paths))}
    )
    codes = arrow(files["stem"]).dictionary_encode().indices.to_numpy()
    files["sound"] = is_sound(files["path"])
    filmed = np.bincount(codes[~files["sound"]], minlength=len(codes)) > 0
    kept = ~(files["sound"] & filmed[codes]).to_numpy(bool)
    files, codes = files[kept].reset_index(drop=True), codes[kept]
    files["copies"] = np.bincount(codes, minlength=1)[codes].astype(np.int32)
    several = files[files["copies"] > 1]
    if len(several):
        rank = map_values(
            several["path"].str.replace(r".*\.", "", regex=True).str.lower(), SUFFIXES.index
        )
        several = several.iloc[
            np.lexsort((several["path"].to_numpy(str), several["path"].str.len(), rank))
        ]
        files = pd.concat(
            [files[files["copies"] == 1], several[~several["stem"].duplicated()]], ignore_index=True
        )
    return files
