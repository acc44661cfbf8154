"""A cache that decodes clips when training reads them, for data too large to store decoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from diccae.datasets import ledger
from diccae.datasets.clip_files import (
    ABSENT,
    ALTERED,
    Stamp,
    clip_path,
    is_replaced,
    known_stamps,
    stamp,
)
from diccae.datasets.clip_frames import ClipFrames
from diccae.datasets.clips import (
    OK,
    SAMPLE_RATE,
    WINDOW_MS,
    ClipCache,
    ClipSettings,
    check_share,
    fbank_statistics,
    log_mels,
    read_index,
    span,
    training_rows,
    write_index,
    write_meta,
)
from diccae.datasets.containers import MediaError
from diccae.datasets.media import decode_frames, decode_sound
from diccae.errors import UserError
from diccae.stored_file import MAKE_AGAIN, reading

STATISTICS_CLIPS = 2000


class _Files:
    """The file and the span of each row, and what is known of the file."""

    def __init__(self, cache: Path, index: pd.DataFrame) -> None:
        self.root, self.paths, self.digests, self.spans = (
            cache.parent,
            index["path"],
            index["file_sha256"],
            index[["start", "end"]].to_numpy(np.float64),
        )
        self.stamps = known_stamps(cache, self.digests)

    def read(self, row: int, decode: Callable[..., Any]) -> Any:
        path = clip_path(self.root, self.paths.iloc[row])
        self._require_same(row, path)
        try:
            return decode(path, **span(*self.spans[row]))
        except MediaError as error:
            # UserError has one argument, so a worker of the data loader can pickle it
            raise UserError(
                f"{path}: {error.problem}, but the ledger lists it as usable; "
                "restore the file, or run `diccae data cache --plan <its plan>` again, "
                "which leaves it out"
            ) from None

    def _require_same(self, row: int, path: Path) -> None:
        known, now = Stamp(*self.stamps[row].tolist()), stamp(path)
        if now in (known, ABSENT) or known == ABSENT:
            return
        if is_replaced(path, known, self.digests.iloc[row]):
            raise UserError(
                f"{path}: it was replaced by another file after it was checked; run "
                "`diccae data cache --plan <its plan>` again, which checks it anew"
            )
        # a file that only has another time is read once
        self.stamps[row] = now


class LiveFrames:
    """Frames that are decoded on access: `frames[row]` is a `ClipFrames`.

    A frame that is taken alone, as in training on one frame of a clip, is decoded alone.
    """

    def __init__(self, files: _Files, settings: ClipSettings) -> None:
        self.files, self.settings = files, settings

    def __getitem__(self, row: int) -> ClipFrames:
        return ClipFrames(self.settings["num_frames"], partial(self._decode, row))

    def _decode(self, row: int, numbers: Sequence[int]) -> np.ndarray:
        settings = self.settings
        only = numbers[0] if len(numbers) == 1 else None
        decode = partial(
            decode_frames,
            num_frames=settings["num_frames"],
            size=(settings["frame_size"],) * 2,
            backend=settings["decoder"],
            modality=settings["modality"],
            only=only,
        )
        images = self.files.read(row, decode).images
        return np.stack(images if only is not None else [images[number] for number in numbers])


class LiveFbank:
    """Log-mels that are decoded on access: `fbank[row]` is float16 (frames, n_mels)."""

    def __init__(self, files: _Files, settings: ClipSettings) -> None:
        self.files, self.settings = files, settings

    def __getitem__(self, row: int) -> np.ndarray:
        settings = self.settings
        decode = partial(
            decode_sound,
            sample_rate=SAMPLE_RATE,
            backend=settings["decoder"],
            modality=settings["modality"],
        )
        audio = self.files.read(row, decode)
        return log_mels(audio, settings["n_mels"], settings["fbank_frames"])


def build_live(
    manifest: Path,
    out_dir: Path,
    settings: ClipSettings,
    digest: str,
    *,
    max_bad_share: float,
    jobs: int,
    progress: bool = True,
) -> Path:
    """Check every clip (see `ledger`) and write the index and the statistics of the log-mels.

    The ledger always decodes through PyAV; the statistics are those of at most STATISTICS_CLIPS
    training clips, drawn at random.

    Args:
        manifest: the manifest (parquet).
        out_dir: folder of the cache.
        settings: how clips are decoded.
        digest: SHA-256 of the manifest.
        max_bad_share: largest share of unusable clips that is accepted, in [0, 1].
        jobs: number of processes.
        progress: whether to show a progress bar.

    Returns:
        The path of meta.json.

    Raises:
        UserError: more than `max_bad_share` of the clips or all of them are unusable (with the
            reasons).
    """
    ledger_path = manifest.with_name("ledger.parquet")
    modality = settings["modality"]
    ledger.check(manifest, ledger_path, jobs=jobs, modality=modality, progress=progress)
    with reading(manifest, MAKE_AGAIN):
        table = pd.read_parquet(manifest)
    checked = pq.read_table(
        ledger_path, columns=["status", "usable", "reason", "start", "audio_end", "sha256"]
    ).to_pandas()
    # the ledger does not know the window of the log-mels
    brief = checked["usable"] & (
        checked["audio_end"] - checked["start"].fillna(0.0) < WINDOW_MS / 1000
    )
    status = checked["status"].where(~checked["usable"], OK).mask(brief, "too_short").astype(str)
    message = (
        checked["reason"]
        .fillna("")
        .mask(brief, f"too_short: its sound lasts less than {WINDOW_MS:.0f} ms")
    )
    if "sha256" in table:
        other = (status == OK) & (table["sha256"].fillna("") != checked["sha256"])
        status, message = status.mask(other, "altered"), message.mask(other, f"altered: {ALTERED}")
    index = table.assign(
        status=status.to_numpy(),
        message=message.where(message == "", table["id"] + ": " + message).to_numpy(),
        file_sha256=checked["sha256"].where(status == OK, "").to_numpy(),
    )
    check_share(manifest, index, max_bad_share, modality)
    (out_dir / "meta.json").unlink(missing_ok=True)
    index_digest = write_index(out_dir, index)
    mean, std, sample = None, None, np.zeros(0, np.int64)
    if "A" in modality:
        rows = training_rows(index)
        sample = np.sort(np.random.default_rng(0).permutation(rows)[:STATISTICS_CLIPS])
        mean, std = fbank_statistics(LiveFbank(_Files(out_dir, index), settings), sample)
    meta = {
        "mode": "live",
        "settings": settings,
        "manifest_sha256": digest,
        "clips": len(table),
        "counts": dict(sorted(Counter(status).items())),
        "fbank_mean": mean,
        "fbank_std": std,
        "statistics_clips": len(sample),
        "sha256": {"index": index_digest},
    }
    return write_meta(out_dir, meta)


def open_live(folder: Path, meta: dict[str, Any]) -> ClipCache:
    """Open a live cache: those of `frames` and `fbank` that it was made for decode on access."""
    index = read_index(folder)
    files, settings = _Files(folder, index), meta["settings"]
    frames = LiveFrames(files, settings) if "V" in settings["modality"] else None
    fbank = LiveFbank(files, settings) if "A" in settings["modality"] else None
    return ClipCache(frames, fbank, index, meta)
