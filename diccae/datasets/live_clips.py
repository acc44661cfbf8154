"""The clips of a manifest behind the interface of the clip cache, decoded when they are asked for: for data that is too large to store decoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from diccae.datasets import ledger
from diccae.datasets.clips import (
    OK,
    SAMPLE_RATE,
    WINDOW_MS,
    ClipCache,
    fbank_statistics,
    log_mels,
    span,
    training_rows,
    write_meta,
)
from diccae.datasets.media import MediaError, decode_frames, decode_sound
from diccae.errors import UserError

STATISTICS_CLIPS = 2000


class _Files:
    """The file and the span of each row."""

    def __init__(self, root: Path, index: pd.DataFrame) -> None:
        self.root, self.paths, self.spans = (
            root,
            index["path"],
            index[["start", "end"]].to_numpy(np.float64),
        )

    def read(self, row: int, decode: Callable[..., Any]) -> Any:
        path = self.root / self.paths.iloc[row]
        try:
            return decode(path, **span(*self.spans[row]))
        except MediaError as error:
            # of one argument, so that a loader's worker can hand it on
            raise UserError(
                f"{path}: {error.words}, but the ledger found it usable; mend the file, or run `diccae data cache` again, which counts it"
            ) from None


class LiveFrames:
    """`frames[row]` -> uint8 (T, H, W, 3), decoded when it is asked for."""

    def __init__(self, files: _Files, settings: dict[str, int]) -> None:
        self.files, self.settings = files, settings

    def __getitem__(self, row: int) -> np.ndarray:
        size = (self.settings["frame_size"],) * 2
        video = self.files.read(
            row, partial(decode_frames, num_frames=self.settings["num_frames"], size=size)
        )
        return np.stack(video.images)


class LiveFbank:
    """`fbank[row]` -> float16 (frames, n_mels), decoded when it is asked for."""

    def __init__(self, files: _Files, settings: dict[str, int]) -> None:
        self.files, self.settings = files, settings

    def __getitem__(self, row: int) -> np.ndarray:
        audio = self.files.read(row, partial(decode_sound, sample_rate=SAMPLE_RATE))
        return log_mels(audio, self.settings["n_mels"], self.settings["fbank_frames"])


def build_live(
    manifest: Path,
    out_dir: Path,
    settings: dict[str, int],
    digest: str,
    *,
    max_bad_share: float,
    jobs: int,
    progress: bool = True,
) -> Path:
    """Probe every clip (the ledger), write the index with its verdicts, and the statistics of a sample of log-mels; returns the path of meta.json.

    Raises:
        UserError: more than `max_bad_share` of the clips cannot be used; names the ten most common reasons.
    """
    book = manifest.with_name("ledger.parquet")
    ledger.check(manifest, book, jobs=jobs, progress=progress)
    ledger.refuse(book, max_bad_share)
    table = pd.read_parquet(manifest)
    verdicts = pq.read_table(
        book, columns=["status", "usable", "reason", "start", "audio_end"]
    ).to_pandas()
    # the ledger knows nothing of the window of the log-mels
    brief = verdicts["usable"] & (
        verdicts["audio_end"] - verdicts["start"].fillna(0.0) < WINDOW_MS / 1000
    )
    status = verdicts["status"].where(~verdicts["usable"], OK).mask(brief, "too_short").astype(str)
    message = (
        verdicts["reason"]
        .fillna("")
        .mask(brief, f"too_short: its sound lasts less than {WINDOW_MS:.0f} ms")
    )
    index = table.assign(status=status.to_numpy(), message=message.to_numpy())
    (out_dir / "meta.json").unlink(missing_ok=True)
    index.to_parquet(out_dir / "index.parquet", index=False)
    rows = training_rows(index)
    sample = np.sort(np.random.default_rng(0).permutation(rows)[:STATISTICS_CLIPS])
    fbank = LiveFbank(_Files(manifest.parent, index), settings)
    mean, std = fbank_statistics(fbank, sample)
    meta = {
        "mode": "live",
        "settings": settings,
        "manifest_sha256": digest,
        "clips": len(table),
        "counts": dict(sorted(Counter(status).items())),
        "fbank_mean": mean,
        "fbank_std": std,
        "statistics_clips": len(sample),
    }
    return write_meta(out_dir, meta)


def open_live(folder: Path, meta: dict[str, Any]) -> ClipCache:
    """Live arrays in the place of the stored ones."""
    index = pd.read_parquet(folder / "index.parquet")
    files, settings = _Files(folder.parent, index), meta["settings"]
    return ClipCache(LiveFrames(files, settings), LiveFbank(files, settings), index, meta)
