"""The files of a stored cache: its arrays, and the progress of an interrupted build."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from diccae.datasets.checksums import column
from diccae.datasets.clips import OK, ClipSettings
from diccae.datasets.modalities import ARRAYS, arrays_of
from diccae.datasets.packed_frames import SIZE, START, has_records, is_packed, jpeg_bytes
from diccae.errors import UserError
from diccae.stored_file import json_or_nothing
from diccae.whole_file import whole_file

# status of a clip that is not decoded yet
TODO = ""
Known = dict[str, str | int]

Shapes = dict[str, tuple[tuple[int, ...], type]]


def unknown(settings: ClipSettings) -> Known:
    """What is known of a clip that is not decoded yet: its status, the stamp and the digest of its
    file, the library that decoded it, the checksums of its rows in the arrays, and the place of
    frames that are stored as JPEG."""
    return {
        "status": TODO,
        "message": "",
        "bytes": -1,
        "mtime_ns": -1,
        "file_sha256": "",
        "decoder": "",
        **{column(name): 0 for name in arrays_of(settings["modality"])},
        **({START: -1, SIZE: 0} if is_packed(settings) else {}),
    }


def array_shapes(clips: int, settings: ClipSettings) -> Shapes:
    """Shape and dtype of the arrays, `frames`, `fbank` or both, of a cache of `clips` clips;
    without those of frames that are stored as JPEG, whose size is not known before."""
    size = settings["frame_size"]
    frames, fbank = (
        (clips, settings["num_frames"], size, size, 3),
        (clips, settings["fbank_frames"], settings["n_mels"]),
    )
    shapes: Shapes = {"frames": (frames, np.uint8), "fbank": (fbank, np.float16)}
    names = arrays_of(settings["modality"])
    return {name: shapes[name] for name in names if name != "frames" or not is_packed(settings)}


def array_bytes(shapes: Shapes) -> int:
    """Bytes of all arrays together."""
    return sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in shapes.values())


def create_arrays(out_dir: Path, clips: int, settings: ClipSettings) -> None:
    """Create the arrays of a cache of `clips` clips, filled with zeros, in place of those of an
    older cache.

    Raises:
        UserError: the disk is too small.
        OSError: the disk is full or cannot be written.
    """
    # a process that still maps the old arrays keeps them; what marks clips as done goes first
    for name in ("meta.json", "progress.json", *(f"{name}.npy" for name in ARRAYS.values())):
        (out_dir / name).unlink(missing_ok=True)
    shapes, free = array_shapes(clips, settings), shutil.disk_usage(out_dir).free
    needed, packed = array_bytes(shapes), is_packed(settings)
    if packed:
        needed += clips * settings["num_frames"] * jpeg_bytes(settings["frame_size"])
    about = "about " if packed else ""
    smaller = "set cache.format: jpeg, or " if "frames" in shapes else ""
    larger = "cache.frame_size" if "V" in settings["modality"] else "cache.fbank_frames"
    print(
        f"cache of {clips} clips in {out_dir}: "
        f"{about}{needed / 1e6:.0f} MB needed, {free / 1e6:.0f} MB free"
    )
    if needed > free:
        raise UserError(
            f"{out_dir}: the cache needs {about}{needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are "
            f"free; free some space, or {smaller}set {larger} lower"
        )
    for name, (shape, dtype) in shapes.items():
        create_array(out_dir / f"{name}.npy", shape, dtype)


def create_array(path: Path, shape: tuple[int, ...], dtype: type) -> None:
    """Create an array of zeros whose space on the disk is allocated.

    Writing to a sparse file through a memory map kills the process when the disk becomes full.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape).flush()
    if not hasattr(os, "posix_fallocate"):
        return
    with open(path, "r+b") as handle:
        try:
            os.posix_fallocate(handle.fileno(), 0, os.fstat(handle.fileno()).st_size)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                path.unlink()
                raise


def new_status(clips: int, settings: ClipSettings) -> pd.DataFrame:
    """What is known of each clip before it is decoded: one row per clip."""
    return pd.DataFrame({name: [value] * clips for name, value in unknown(settings).items()})


def load_progress(
    out_dir: Path, digest: str, settings: ClipSettings, clips: int
) -> pd.DataFrame | None:
    """What is known of each clip from an earlier build, see `unknown`.

    Clips that could not be used are decoded again, since they may have been repaired.

    Returns:
        None where there is no build of this manifest (by its SHA-256) with these settings.
    """
    path, columns = out_dir / "progress.json", list(unknown(settings))
    saved = json_or_nothing(path, "every clip is decoded again")
    if saved is None:
        return None
    for name, (shape, dtype) in array_shapes(clips, settings).items():
        try:
            array = np.load(out_dir / f"{name}.npy", mmap_mode="r")
        except (OSError, ValueError):
            return None
        if array.shape != shape or array.dtype != dtype:
            return None
    if (
        saved.get("manifest_sha256") != digest
        or saved.get("settings") != settings
        or any(len(saved.get(name, [])) != clips for name in columns)
    ):
        return None
    status = pd.DataFrame({name: saved[name] for name in columns})
    if is_packed(settings) and not has_records(out_dir / "frames.npy", status):
        return None
    forget(status, np.flatnonzero(status["status"] != OK).tolist(), settings)
    return status


def note(status: pd.DataFrame, rows: list[int], found: list[Known]) -> None:
    """Record what is now known of clips."""
    for name in map(str, status):
        status.loc[rows, name] = pd.Series([known[name] for known in found], rows)


def forget(status: pd.DataFrame, rows: list[int], settings: ClipSettings) -> None:
    """Mark clips as not decoded."""
    note(status, rows, [unknown(settings)] * len(rows))


def save_progress(out_dir: Path, status: pd.DataFrame, digest: str, settings: ClipSettings) -> None:
    """Write what is known of each clip, from which an interrupted build continues.

    Raises:
        UserError: the file cannot be written.
    """
    content = {"manifest_sha256": digest, "settings": settings, **status.to_dict("list")}
    with whole_file(out_dir / "progress.json") as temporary:
        temporary.write_text(json.dumps(content))
