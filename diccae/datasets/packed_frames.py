"""Frames of a stored cache as JPEG (`cache.format: jpeg`), decoded when they are taken.

`frames.npy` is then one array of bytes, uint8 (B,), with a record for each usable clip in the order
of the rows: the sizes in bytes of its T frames, little-endian uint32 (T,), and the frames. The
columns START and SIZE of the index say where the record of a clip lies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
import pandas as pd

from diccae.datasets.clip_frames import ClipFrames
from diccae.errors import UserError
from diccae.stored_file import CACHE_AGAIN
from diccae.whole_file import whole_file

START, SIZE = "frames_start", "frames_bytes"
# of 100; colours at half the resolution. The encoder (libjpeg-turbo) computes with integers, so the
# bytes do not depend on the processor
QUALITY = 95
SUBSAMPLING = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420
OPTIONS = [cv2.IMWRITE_JPEG_QUALITY, QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SUBSAMPLING]
LENGTH = np.dtype("<u4")


def is_packed(settings: Mapping[str, Any]) -> bool:
    """Whether a cache with these settings holds frames as JPEG."""
    return settings.get("format") == "jpeg" and "V" in settings.get("modality", "V")


def jpeg_bytes(size: int) -> int:
    """About how many bytes a frame of size x size pixels takes: as many as in the clips with the
    most detail of those that `benchmarks/loading.py` measured (20 kB at 224 pixels)."""
    return round(600 + 6 * size**1.5)


def pack(frames: np.ndarray) -> np.ndarray:
    """The record, uint8 (bytes,), of frames, uint8 (T, H, W, 3)."""
    images = [
        cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), OPTIONS)[1] for frame in frames
    ]
    sizes = np.array([len(image) for image in images], LENGTH)
    return np.concatenate([sizes.view(np.uint8), *images])


def unpack(record: np.ndarray, count: int, numbers: Sequence[int]) -> np.ndarray:
    """Some of the `count` frames of a record, uint8 (n, H, W, 3).

    Raises:
        ValueError: the record is damaged.
    """
    head = count * LENGTH.itemsize
    sizes = np.frombuffer(record[:head].tobytes(), LENGTH).astype(np.int64)
    ends = head + np.cumsum(sizes)
    if len(ends) != count or ends[-1] != len(record):
        raise ValueError("sizes of frames")
    frames = []
    for number in numbers:
        data = record[ends[number] - sizes[number] : ends[number]]
        image = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if len(data) else None
        if image is None:
            raise ValueError("a frame is no JPEG image")
        frames.append(image)
    return np.stack(frames)


class Records:
    """The records of an array of bytes by row: `records[row]` is uint8 (bytes,).

    Args:
        data: uint8 (B,).
        index: has the columns START and SIZE.
    """

    def __init__(self, data: np.ndarray, index: pd.DataFrame) -> None:
        self.data = data
        self.starts, self.sizes = index[START].to_numpy(), index[SIZE].to_numpy()

    def __getitem__(self, row: int) -> np.ndarray:
        return self.data[self.starts[row] : self.starts[row] + self.sizes[row]]


class PackedFrames:
    """Frames by row: `frames[row]` is a `ClipFrames`.

    Args:
        path: the file, for errors.
        records: of the clips.
        count: frames of a clip.
    """

    def __init__(self, path: Path, records: Records, count: int) -> None:
        self.path, self.records, self.count = path, records, count

    def __getitem__(self, row: int) -> ClipFrames:
        return ClipFrames(self.count, partial(self._decode, row))

    def _decode(self, row: int, numbers: Sequence[int]) -> np.ndarray:
        try:
            return unpack(self.records[row], self.count, numbers)
        except ValueError as error:
            raise UserError(f"{self.path}: row {row} is damaged ({error}); {CACHE_AGAIN}") from None


def stored_rows(array: np.ndarray, table: pd.DataFrame) -> Any:
    """The rows of an array of a stored cache, as checksums are computed of them: those of an array
    of bytes are records."""
    return Records(array, table) if array.ndim == 1 and START in table else array


def has_records(path: Path, status: pd.DataFrame) -> bool:
    """Whether an array of bytes holds the records that `status` knows."""
    try:
        data = np.load(path, mmap_mode="r")
    except (OSError, ValueError):
        return False
    return data.ndim == 1 and data.dtype == np.uint8 and len(data) >= _end(status)


def _end(status: pd.DataFrame) -> int:
    """Where the last record that `status` knows ends."""
    known = status[SIZE] > 0
    return int((status[START] + status[SIZE])[known].max()) if known.any() else 0


class RecordFile:
    """The array of bytes while it is made.

    Args:
        file: opened for reading and writing.
        length: bytes of the array that are kept.
    """

    def __init__(self, file: BinaryIO, length: int = 0) -> None:
        self.file, self.length = file, length
        self.save()
        file.truncate()

    def append(self, record: np.ndarray) -> int:
        """Write a record; returns where it begins."""
        start = self.length
        self.file.write(record.tobytes())
        self.length += len(record)
        return start

    def save(self) -> None:
        """Make the file an array of all bytes that were written."""
        self.file.seek(0)
        # the room that NumPy leaves for more digits keeps the size of the header
        header = {"descr": "|u1", "fortran_order": False, "shape": (self.length,)}
        np.lib.format.write_array_header_1_0(self.file, header)
        self.file.seek(self.length, 1)
        self.file.flush()


@contextmanager
def record_file(path: Path, status: pd.DataFrame) -> Iterator[RecordFile]:
    """Open `path` to append records after those that `status` knows."""
    with open(path, "r+b" if path.is_file() else "w+b") as file:
        yield RecordFile(file, _end(status))


def sort_records(path: Path, status: pd.DataFrame) -> None:
    """Write the records in the order of the rows without gaps, as where no clip was decoded again,
    so that the bytes do not depend on how the cache was made.

    Raises:
        UserError: the file cannot be written.
    """
    rows = np.flatnonzero(status[SIZE] > 0)
    sizes = status[SIZE].to_numpy()[rows]
    starts = np.cumsum(sizes) - sizes
    data = np.load(path, mmap_mode="r")
    if len(data) == sizes.sum() and np.array_equal(status[START].to_numpy()[rows], starts):
        return
    records = Records(np.asarray(data), status)
    with whole_file(path) as temporary, open(temporary, "w+b") as file:
        sorted_file = RecordFile(file)
        for row in rows.tolist():
            sorted_file.append(records[row])
        sorted_file.save()
    status.loc[rows, START] = starts
