"""A cache that stores every clip decoded, in arrays that processes map into memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from diccae.datasets.clip_files import Stamp, clip_path
from diccae.datasets.clips import (
    OK,
    ClipCache,
    ClipSettings,
    check_share,
    fbank_statistics,
    read_index,
    training_rows,
    write_index,
    write_meta,
)
from diccae.datasets.modalities import arrays_of
from diccae.datasets.packed_frames import (
    SIZE,
    START,
    PackedFrames,
    Records,
    is_packed,
    record_file,
    sort_records,
)
from diccae.datasets.stored_checks import forget_changed
from diccae.datasets.stored_files import (
    TODO,
    array_bytes,
    array_shapes,
    create_arrays,
    load_progress,
    new_status,
    note,
    save_progress,
)
from diccae.datasets.stored_workers import Row, decode_rows
from diccae.datasets.worker_pool import in_processes
from diccae.digests import file_digest
from diccae.errors import UserError
from diccae.stored_file import CACHE_AGAIN, MAKE_AGAIN, reading

CHUNK = 64


def build_stored(
    manifest: Path,
    out_dir: Path,
    settings: ClipSettings,
    digest: str,
    *,
    max_bad_share: float,
    jobs: int,
    progress: bool = True,
) -> Path:
    """Decode the clips that are not decoded yet into the arrays.

    Args:
        manifest: the manifest (parquet).
        out_dir: folder of the cache.
        settings: how clips are decoded.
        digest: SHA-256 of the manifest.
        max_bad_share: largest share of unusable clips that is accepted, in [0, 1].
        jobs: number of processes.
        progress: whether to show a progress bar.

    Returns:
        The path of meta.json, which is written last.

    Raises:
        UserError: the manifest is empty, more than `max_bad_share` of the clips or all of them
            are unusable (with the reasons), or the disk is too small.
        OSError: the disk is full or cannot be written.
    """
    with reading(manifest, MAKE_AGAIN):
        table = pd.read_parquet(manifest)
    if len(table) == 0:
        raise UserError(
            f"{manifest}: the manifest lists no clip; make it again with `diccae data render`"
        )
    shapes = array_shapes(len(table), settings)
    status = load_progress(out_dir, digest, settings, len(table))
    if status is None:
        create_arrays(out_dir, len(table), settings)
        status = new_status(len(table), settings)
    else:
        forget_changed(manifest.parent, table, status, out_dir, settings)
    without_file = table["path"] == ""
    status.loc[without_file, "status"] = "missing"
    status.loc[without_file, "message"] = (
        table["id"][without_file] + ": listed, but no file of it was found"
    )
    save = partial(save_progress, out_dir, status, digest, settings)
    save()
    _decode(manifest.parent, table, status, out_dir, settings, save, jobs=jobs, progress=progress)
    check_share(manifest, status, max_bad_share, settings["modality"])
    packed = is_packed(settings)
    if packed:
        sort_records(out_dir / "frames.npy", status)
        save()
    others = (status["status"] == OK) & (status["decoder"] != settings["decoder"])
    if others.any():
        print(
            f"{others.sum()} of {len(table)} clips were decoded by pyav: {settings['decoder']} "
            + (
                "would give other frames"
                if "V" in settings["modality"]
                else "reads clips with a picture"
            )
            + f"; first: {table['id'][others].iloc[0]}"
        )
    # stamps of files differ between machines, so the index does not hold them
    index = pd.concat([table, status.drop(columns=list(Stamp._fields))], axis=1)
    index_digest = write_index(out_dir, index)
    mean, std = None, None
    if "fbank" in shapes:
        fbank = np.load(out_dir / "fbank.npy", mmap_mode="r")
        mean, std = fbank_statistics(fbank, training_rows(index))
    meta = {
        "settings": settings,
        "manifest_sha256": digest,
        "clips": len(table),
        "counts": dict(sorted(Counter(status["status"]).items())),
        "fbank_mean": mean,
        "fbank_std": std,
        "bytes": array_bytes(shapes) + (int(status[SIZE].sum()) if packed else 0),
        "sha256": {
            **{
                name: file_digest(out_dir / f"{name}.npy")
                for name in arrays_of(settings["modality"])
            },
            "index": index_digest,
        },
    }
    return write_meta(out_dir, meta)


def open_stored(folder: Path, meta: dict[str, Any]) -> ClipCache:
    """Open a stored cache; those of `frames` and `fbank` that are there are read-only memory
    maps, or `PackedFrames`."""
    # as plain arrays: slices of np.memmap objects are slow
    arrays: dict[str, Any] = {}
    index, settings = read_index(folder), meta["settings"]
    for name in arrays_of(settings["modality"]):
        path = folder / f"{name}.npy"
        if path.is_file():
            with reading(path, CACHE_AGAIN):
                arrays[name] = np.asarray(np.load(path, mmap_mode="r"))
    if "frames" in arrays and is_packed(settings):
        records = Records(arrays["frames"], index)
        arrays["frames"] = PackedFrames(folder / "frames.npy", records, settings["num_frames"])
    return ClipCache(arrays.get("frames"), arrays.get("fbank"), index, meta)


def _decode(
    root: Path,
    table: pd.DataFrame,
    status: pd.DataFrame,
    out_dir: Path,
    settings: ClipSettings,
    save: Callable[[], None],
    *,
    jobs: int,
    progress: bool,
) -> None:
    """Decode every clip whose status is TODO and record what is then known of it.

    `save` is called regularly and at the end, also where an error ends the work.
    """
    todo = np.flatnonzero(status["status"] == TODO)
    columns = table[["path", "start", "end"]].to_numpy()
    listed = table["sha256"].fillna("") if "sha256" in table else pd.Series([""] * len(table))
    rows = [
        Row(
            int(row),
            str(clip_path(root, columns[row][0])),
            float(columns[row][1]),
            float(columns[row][2]),
            listed.iloc[row],
        )
        for row in todo
    ]
    tasks = [
        (str(out_dir), rows[start : start + CHUNK], settings)
        for start in range(0, len(rows), CHUNK)
    ]
    if not tasks:
        return
    path = out_dir / "frames.npy"
    with (
        record_file(path, status) if is_packed(settings) else nullcontext() as records,
        closing(in_processes(decode_rows, tasks, jobs)) as done,
        tqdm(
            total=len(table),
            initial=len(table) - len(todo),
            desc="caching",
            unit="clip",
            disable=not progress,
            mininterval=1,
        ) as bar,
    ):

        def keep() -> None:
            if records:
                records.save()
            save()

        try:
            # in the order of the rows, so that records lie in it
            for count, results in enumerate(done):
                for _, known, record in results:
                    if records and record is not None:
                        known |= {START: records.append(record), SIZE: len(record)}
                note(status, [row for row, *_ in results], [known for _, known, _ in results])
                if count % 16 == 15:
                    keep()
                bar.update(len(results))
        finally:
            keep()
