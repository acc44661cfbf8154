"""The clips of a manifest behind the interface of the clip cache, decoded when they are asked for: for data that is too large to store decoded."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from diccae.datasets import ledger
from diccae.datasets.clip_cache import OK, SAMPLE_RATE, WINDOW_MS, ClipCache, fbank_statistics, log_mels
from diccae.datasets.media import MediaError, decode_clip
from diccae.structures import UserError

STATISTICS_CLIPS = 2000


class _Decoder:
    """Decodes a row; frames and log-mels of one row are asked for one after the other, so the last clip is kept."""

    def __init__(self, root: Path, index: pd.DataFrame, settings: dict[str, int]) -> None:
        self.root, self.settings = root, settings
        self.paths, self.spans = index["path"], index[["start", "end"]].to_numpy(np.float64)
        self.last: tuple[int, Any] = (-1, None)

    def __call__(self, row: int) -> Any:
        if self.last[0] != row:
            start, end = self.spans[row]
            try:
                clip = decode_clip(
                    self.root / self.paths.iloc[row],
                    start=float(start),
                    end=float(end) if math.isfinite(end) else None,
                    num_frames=self.settings["num_frames"],
                    size=(self.settings["frame_size"],) * 2,
                    sample_rate=SAMPLE_RATE,
                )
            except MediaError as error:
                # of one argument, so that a loader's worker can hand it on
                raise UserError(
                    f"{self.root / self.paths.iloc[row]}: {error.words}, but the ledger found it usable; "
                    "mend the file, or run `diccae data cache` again, which counts it"
                ) from None
            self.last = (row, clip)
        return self.last[1]


class LiveFrames:
    """`frames[row]` -> uint8 (T, H, W, 3)."""

    def __init__(self, decoder: _Decoder) -> None:
        self.decoder = decoder

    def __getitem__(self, row: int) -> np.ndarray:
        return self.decoder(row).frames


class LiveFbank:
    """`fbank[row]` -> float16 (frames, n_mels)."""

    def __init__(self, decoder: _Decoder) -> None:
        self.decoder = decoder

    def __getitem__(self, row: int) -> np.ndarray:
        settings = self.decoder.settings
        return log_mels(self.decoder(row).audio, settings["n_mels"], settings["fbank_frames"])


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
    verdicts = pq.read_table(book, columns=["status", "usable", "reason", "start", "audio_end"]).to_pandas()
    # the ledger knows nothing of the window of the log-mels
    brief = verdicts["usable"] & (verdicts["audio_end"] - verdicts["start"].fillna(0.0) < WINDOW_MS / 1000)
    status = verdicts["status"].where(~verdicts["usable"], OK).mask(brief, "too_short").astype(str)
    message = verdicts["reason"].fillna("").mask(brief, f"too_short: its sound lasts less than {WINDOW_MS:.0f} ms")
    index = table.assign(status=status.to_numpy(), message=message.to_numpy())
    (out_dir / "meta.json").unlink(missing_ok=True)
    index.to_parquet(out_dir / "index.parquet", index=False)
    usable = index["status"] == OK
    training = usable & index["split"].isin(["unlabelled", "train"])
    rows = np.flatnonzero(training if training.any() else usable)
    sample = np.sort(np.random.default_rng(0).permutation(rows)[:STATISTICS_CLIPS])
    fbank = LiveFbank(_Decoder(manifest.parent, index, settings))
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
    temporary = out_dir / ".meta.json.tmp"
    temporary.write_text(json.dumps(meta, indent=1) + "\n")
    os.replace(temporary, out_dir / "meta.json")
    return out_dir / "meta.json"


def open_live(folder: Path, meta: dict[str, Any]) -> ClipCache:
    """Live arrays in the place of the stored ones."""
    index = pd.read_parquet(folder / "index.parquet")
    decoder = _Decoder(folder.parent, index, meta["settings"])
    return ClipCache(LiveFrames(decoder), LiveFbank(decoder), index, meta)
