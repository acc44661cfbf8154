"""A cache that stores every clip decoded, in two arrays that processes map into memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from diccae.datasets.clips import (
    OK,
    SAMPLE_RATE,
    ClipCache,
    ClipSettings,
    clip_log_mels,
    fbank_statistics,
    read_index,
    span,
    training_rows,
    write_meta,
)
from diccae.datasets.containers import MediaError
from diccae.datasets.media import decode_clip
from diccae.datasets.stored_files import (
    TODO,
    array_bytes,
    array_shapes,
    create_arrays,
    load_progress,
    save_progress,
)
from diccae.datasets.worker_pool import worker_pool
from diccae.digests import file_digest
from diccae.errors import UserError
from diccae.stored_file import CACHE_AGAIN, MAKE_AGAIN, reading
from diccae.whole_file import whole_file

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
    """Decode the clips that are not decoded yet into the two arrays.

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
        create_arrays(out_dir, shapes)
        status = pd.DataFrame({"status": [TODO] * len(table), "message": [""] * len(table)})
    without_file = table["path"] == ""
    status.loc[without_file, "status"] = "missing"
    status.loc[without_file, "message"] = (
        table["id"][without_file] + ": listed, but no file of it was found"
    )
    save = partial(save_progress, out_dir, status, digest, settings)
    save()
    _decode(manifest.parent, table, status, out_dir, settings, save, jobs=jobs, progress=progress)
    _check_share(manifest, status, max_bad_share)
    index = pd.concat([table, status], axis=1)
    with whole_file(out_dir / "index.parquet") as temporary:
        index.to_parquet(temporary, index=False)
    mean, std = fbank_statistics(
        np.load(out_dir / "fbank.npy", mmap_mode="r"), training_rows(index)
    )
    meta = {
        "settings": settings,
        "manifest_sha256": digest,
        "clips": len(table),
        "counts": dict(sorted(Counter(status["status"]).items())),
        "fbank_mean": mean,
        "fbank_std": std,
        "bytes": array_bytes(shapes),
        "sha256": {name: file_digest(out_dir / f"{name}.npy") for name in shapes},
    }
    return write_meta(out_dir, meta)


def open_stored(folder: Path, meta: dict[str, Any]) -> ClipCache:
    """Open a stored cache; `frames` and `fbank` are read-only memory maps."""
    # as plain arrays: slices of np.memmap objects are slow
    arrays = {}
    for name in ("frames", "fbank"):
        with reading(folder / f"{name}.npy", CACHE_AGAIN):
            arrays[name] = np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r"))
    return ClipCache(**arrays, index=read_index(folder), meta=meta)


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
    """Decode every clip whose status is TODO and record its new status.

    `save` is called regularly and at the end, also where an error ends the work.
    """
    todo = np.flatnonzero(status["status"] == TODO)
    columns = table[["path", "start", "end"]].to_numpy()
    rows = [
        (int(row), str(root / columns[row][0]), float(columns[row][1]), float(columns[row][2]))
        for row in todo
    ]
    tasks = [
        (str(out_dir), rows[start : start + CHUNK], settings)
        for start in range(0, len(rows), CHUNK)
    ]
    with tqdm(
        total=len(table),
        initial=len(table) - len(todo),
        desc="caching",
        unit="clip",
        disable=not progress,
        mininterval=1,
    ) as bar:
        pool = worker_pool(min(jobs, len(tasks))) if jobs > 1 and len(tasks) > 1 else None
        try:
            for count, results in enumerate(
                pool.imap_unordered(_decode_chunk, tasks) if pool else map(_decode_chunk, tasks)
            ):
                for row, state, message in results:
                    status.loc[row, ["status", "message"]] = [state, message]
                if count % 16 == 15:
                    save()
                bar.update(len(results))
        finally:
            if pool:
                pool.terminate()
            save()


def _decode_chunk(
    task: tuple[str, list[tuple[int, str, float, float]], ClipSettings],
) -> list[tuple[int, str, str]]:
    """Decode the clips of a task into the arrays; (row, status, message) of each."""
    import torch

    torch.set_num_threads(1)
    folder, rows, settings = task
    frames, fbank = (
        np.load(Path(folder) / f"{name}.npy", mmap_mode="r+") for name in ("frames", "fbank")
    )
    results = []
    for row, path, start, end in rows:
        try:
            clip = decode_clip(
                path,
                **span(start, end),
                num_frames=settings["num_frames"],
                size=(settings["frame_size"],) * 2,
                sample_rate=SAMPLE_RATE,
                backend=settings["decoder"],
            )
            fbank[row] = clip_log_mels(path, clip.audio, settings)
            frames[row] = clip.frames
            results.append((row, OK, ""))
        except MediaError as error:
            results.append((row, error.reason, str(error)))
    frames.flush()
    fbank.flush()
    return results


def _check_share(manifest: Path, status: pd.DataFrame, max_bad_share: float) -> None:
    bad = status[status["status"] != OK]
    if len(bad):
        reasons = ", ".join(
            f"{count} {reason}" for reason, count in Counter(bad["status"]).most_common(10)
        )
        print(
            f"{len(bad)} of {len(status)} clips cannot be used: {reasons}; "
            f"first: {bad['message'].iloc[0]}"
        )
        if len(bad) > max_bad_share * len(status) or len(bad) == len(status):
            raise UserError(
                f"{manifest}: {len(bad)} of {len(status)} clips cannot be used ({reasons}); "
                f"first: {bad['message'].iloc[0]}. "
                "Repair them, or raise cache.max_bad_share in the plan"
            )
