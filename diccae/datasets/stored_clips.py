"""Every clip of a manifest, decoded once: frames as uint8 and log-mels as float16 in two arrays that processes map into memory."""

from __future__ import annotations

import errno
import hashlib
import json
import multiprocessing
import os
import shutil
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
    clip_log_mels,
    fbank_statistics,
    span,
    training_rows,
    write_meta,
)
from diccae.datasets.media import MediaError, decode_clip
from diccae.errors import UserError

CHUNK = 64
TODO = ""


def build_stored(
    manifest: Path,
    out_dir: Path,
    settings: dict[str, int],
    digest: str,
    *,
    max_bad_share: float,
    jobs: int,
    progress: bool = True,
) -> Path:
    """Decode what is not decoded yet into two arrays; returns the path of meta.json, which is written last.

    Raises:
        UserError: the manifest is empty, more than `max_bad_share` of the clips, or all of them, are unusable (names the reasons), or the disk is too
            small.
    """
    table = pd.read_parquet(manifest)
    if len(table) == 0:
        raise UserError(
            f"{manifest}: the manifest names no clip; make it again with `diccae data render`"
        )
    shapes = _shapes(len(table), settings)
    needed = sum(int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in shapes.values())
    status = _resume(out_dir, digest, settings, len(table))
    if status is None:
        _make_room(out_dir, shapes, needed)
        status = pd.DataFrame({"status": [TODO] * len(table), "message": [""] * len(table)})
    nowhere = table["path"] == ""
    status.loc[nowhere, "status"] = "missing"
    status.loc[nowhere, "message"] = table["id"][nowhere] + ": listed, but no file of it was found"
    save = partial(_save_progress, out_dir, status, digest, settings)
    save()
    _decode(manifest.parent, table, status, out_dir, settings, save, jobs=jobs, progress=progress)
    _refuse_if_bad(manifest, status, max_bad_share)
    index = pd.concat([table, status], axis=1)
    index.to_parquet(out_dir / "index.parquet", index=False)
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
        "bytes": needed,
        "sha256": {name: _digest(out_dir / f"{name}.npy") for name in shapes},
    }
    return write_meta(out_dir, meta)


def open_stored(folder: Path, meta: dict[str, Any]) -> ClipCache:
    """The arrays as memory maps."""
    # as plain arrays: slices of np.memmap objects are slow
    frames, fbank = (
        np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r")) for name in ("frames", "fbank")
    )
    return ClipCache(frames, fbank, pd.read_parquet(folder / "index.parquet"), meta)


def _make_room(out_dir: Path, shapes: dict[str, tuple[tuple[int, ...], type]], needed: int) -> None:
    """Empty arrays, after a word on the disk that they take."""
    # a process that still maps the arrays of an older cache keeps them; the marks of what is done go first
    for name in ("meta.json", "progress.json", *(f"{name}.npy" for name in shapes)):
        (out_dir / name).unlink(missing_ok=True)
    clips, free = shapes["frames"][0][0], shutil.disk_usage(out_dir).free
    print(
        f"cache of {clips} clips in {out_dir}: {needed / 1e6:.0f} MB needed, {free / 1e6:.0f} MB free"
    )
    if needed > free:
        raise UserError(
            f"{out_dir}: the cache needs {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; "
            "free some space or set cache.frame_size lower"
        )
    for name, (shape, kind) in shapes.items():
        _create(out_dir / f"{name}.npy", shape, kind)


def _decode(
    root: Path,
    table: pd.DataFrame,
    status: pd.DataFrame,
    out_dir: Path,
    settings: dict[str, int],
    save: Callable[[], None],
    *,
    jobs: int,
    progress: bool,
) -> None:
    """Decode every clip whose status is TODO, and note what became of it; `save` is called now and then, and at the end however it comes."""
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
        pool = (
            multiprocessing.get_context("spawn").Pool(min(jobs, len(tasks)))
            if jobs > 1 and len(tasks) > 1
            else None
        )
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
    task: tuple[str, list[tuple[int, str, float, float]], dict[str, int]],
) -> list[tuple[int, str, str]]:
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
            )
            fbank[row] = clip_log_mels(path, clip.audio, settings)
            frames[row] = clip.frames
            results.append((row, OK, ""))
        except MediaError as error:
            results.append((row, error.reason, str(error)))
    frames.flush()
    fbank.flush()
    return results


def _shapes(clips: int, settings: dict[str, int]) -> dict[str, tuple[tuple[int, ...], type]]:
    size = settings["frame_size"]
    frames, fbank = (
        (clips, settings["num_frames"], size, size, 3),
        (clips, settings["fbank_frames"], settings["n_mels"]),
    )
    return {"frames": (frames, np.uint8), "fbank": (fbank, np.float16)}


def _create(path: Path, shape: tuple[int, ...], kind: type) -> None:
    """An array of zeros that has its place on the disk: writing to a sparse one through a memory map kills the process when the disk fills up."""
    np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=shape).flush()
    if not hasattr(os, "posix_fallocate"):
        return
    with open(path, "r+b") as handle:
        try:
            os.posix_fallocate(handle.fileno(), 0, os.fstat(handle.fileno()).st_size)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                path.unlink()
                raise


def _digest(path: Path) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _refuse_if_bad(manifest: Path, status: pd.DataFrame, max_bad_share: float) -> None:
    bad = status[status["status"] != OK]
    if len(bad):
        reasons = ", ".join(
            f"{count} {reason}" for reason, count in Counter(bad["status"]).most_common(10)
        )
        print(
            f"{len(bad)} of {len(status)} clips cannot be used: {reasons}; first: {bad['message'].iloc[0]}"
        )
        if len(bad) > max_bad_share * len(status) or len(bad) == len(status):
            raise UserError(
                f"{manifest}: {len(bad)} of {len(status)} clips cannot be used ({reasons}); first: {bad['message'].iloc[0]}. "
                "Mend them, or raise cache.max_bad_share in the plan"
            )


def _resume(
    out_dir: Path, digest: str, settings: dict[str, int], clips: int
) -> pd.DataFrame | None:
    path = out_dir / "progress.json"
    if not path.is_file():
        return None
    for name, (shape, kind) in _shapes(clips, settings).items():
        try:
            array = np.load(out_dir / f"{name}.npy", mmap_mode="r")
        except (OSError, ValueError):
            return None
        if array.shape != shape or array.dtype != kind:
            return None
    saved = json.loads(path.read_text())
    if (
        saved["manifest_sha256"] != digest
        or saved["settings"] != settings
        or len(saved["status"]) != clips
    ):
        return None
    # a clip that could not be used is tried again: it may have been mended
    return pd.DataFrame(
        {
            "status": [state if state == OK else TODO for state in saved["status"]],
            "message": [""] * clips,
        }
    )


def _save_progress(
    out_dir: Path, status: pd.DataFrame, digest: str, settings: dict[str, int]
) -> None:
    temporary = out_dir / ".progress.json.tmp"
    temporary.write_text(
        json.dumps(
            {"manifest_sha256": digest, "settings": settings, "status": status["status"].tolist()}
        )
    )
    os.replace(temporary, out_dir / "progress.json")
