"""The processes that decode clips into the arrays of a stored cache."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from diccae.datasets.checksums import checksum, column
from diccae.datasets.clip_files import ALTERED, digest_of, stamp
from diccae.datasets.clips import OK, SAMPLE_RATE, ClipSettings, clip_log_mels, span
from diccae.datasets.containers import MediaError
from diccae.datasets.media import decode_clip
from diccae.datasets.packed_frames import is_packed, pack
from diccae.datasets.stored_files import Known, array_shapes, unknown


class Row(NamedTuple):
    """A clip to decode: its row, file and span, and the digest in the manifest, if there is one."""

    row: int
    path: str
    start: float
    end: float
    sha256: str


def decode_rows(
    task: tuple[str, list[Row], ClipSettings],
) -> list[tuple[int, Known, np.ndarray | None]]:
    """Decode the clips of a task (folder of the cache, clips, settings) into the arrays.

    Returns:
        The row of each clip, what is now known of it (see `stored_files.unknown`), and its record
        where frames are stored as JPEG: only one process can append to a file.
    """
    import torch

    torch.set_num_threads(1)
    folder, rows, settings = task
    arrays = {
        name: np.load(Path(folder) / f"{name}.npy", mmap_mode="r+")
        for name in array_shapes(0, settings)
    }
    results = []
    for clip in rows:
        try:
            values, known = _decode(clip, settings)
            found = {**known, "status": OK}
        except MediaError as error:
            # an earlier decoding may have left something in the arrays
            values, found = {}, {"status": error.reason, "message": str(error)}
        for name, array in arrays.items():
            array[clip.row] = values.get(name, 0)
        record = values.get("frames") if is_packed(settings) else None
        results.append((clip.row, {**unknown(settings), **found}, record))
    for array in arrays.values():
        array.flush()
    return results


def _decode(row: Row, settings: ClipSettings) -> tuple[dict[str, np.ndarray], Known]:
    """The values of the arrays for a clip, and stamp, digest and checksums.

    Raises:
        MediaError: the clip cannot be used.
    """
    now = stamp(row.path)
    clip = decode_clip(
        row.path,
        **span(row.start, row.end),
        num_frames=settings["num_frames"],
        size=(settings["frame_size"],) * 2,
        sample_rate=SAMPLE_RATE,
        backend=settings["decoder"],
        modality=settings["modality"],
    )
    values = {}
    if clip.frames is not None:
        values["frames"] = pack(clip.frames) if is_packed(settings) else clip.frames
    if clip.audio is not None:
        values["fbank"] = clip_log_mels(row.path, clip.audio, settings)
    digest = digest_of(row.path, now)
    if row.sha256 not in ("", digest):
        raise MediaError(row.path, "altered", ALTERED)
    sums = {column(name): checksum(array) for name, array in values.items()}
    return values, {**now._asdict(), "file_sha256": digest, "decoder": clip.decoder, **sums}
