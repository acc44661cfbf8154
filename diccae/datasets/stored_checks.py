"""Whether a stored cache still holds what was decoded, and the clips are still those files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from diccae.datasets.checksums import column, damaged_rows
from diccae.datasets.clip_files import ABSENT, Stamp, clip_path, digest_of, stamp
from diccae.datasets.clips import OK, ClipCache, ClipSettings
from diccae.datasets.modalities import arrays_of
from diccae.datasets.packed_frames import PackedFrames, stored_rows
from diccae.datasets.stored_files import forget
from diccae.errors import UserError


def require_undamaged(folder: Path, cache: ClipCache, name: str) -> None:
    """Compare every row of an array, `frames` or `fbank`, with its checksum.

    Raises:
        UserError: rows are damaged; names the first clip.
    """
    usable = np.flatnonzero(cache.index["status"] == OK)
    array = getattr(cache, name)
    rows = array.records if isinstance(array, PackedFrames) else array
    bad = damaged_rows(rows, cache.index[column(name)].to_numpy(), usable)
    if bad:
        raise UserError(
            f"{folder}/{name}.npy: {len(bad)} of {len(usable)} clips are not as they were decoded, "
            f"{cache.index['id'].iloc[bad[0]]} first; run "
            "`diccae data cache --plan <its plan>` again, which decodes them anew"
        )


def forget_changed(
    root: Path, table: pd.DataFrame, status: pd.DataFrame, out_dir: Path, settings: ClipSettings
) -> None:
    """Mark decoded clips for another decoding where the file was replaced since, or where their
    rows of the arrays are damaged; prints how many there are."""
    done = np.flatnonzero(status["status"] == OK)
    paths, known = table["path"].to_numpy(), status[[*Stamp._fields, "file_sha256"]].to_numpy()
    replaced = []
    for row in done:
        path, (size, mtime, digest) = str(clip_path(root, paths[row])), known[row]
        now = stamp(path)
        if now in ((size, mtime), ABSENT):
            continue
        if digest_of(path, now) != digest:
            replaced.append(int(row))
        else:
            status.loc[row, "bytes"], status.loc[row, "mtime_ns"] = now
    damaged = sorted(
        {
            row
            for name in arrays_of(settings["modality"])
            for row in damaged_rows(
                stored_rows(np.asarray(np.load(out_dir / f"{name}.npy", mmap_mode="r")), status),
                status[column(name)].to_numpy(),
                done,
            )
        }
    )
    for rows, words in ((replaced, "whose files were replaced"), (damaged, "damaged in the cache")):
        if rows:
            first = table["id"][rows[0]]
            print(f"{out_dir}: {len(rows)} clips {words}, {first} first, are decoded again")
            forget(status, rows, settings)
