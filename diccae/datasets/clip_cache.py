"""The clips of a manifest, ready for training: `build_cache` decodes or probes them, `load_cache` opens what it made."""

from __future__ import annotations

import errno
import hashlib
import json
from functools import lru_cache
from pathlib import Path

from diccae.datasets.clips import ClipCache
from diccae.datasets.live_clips import build_live, open_live
from diccae.datasets.stored_clips import build_stored, open_stored
from diccae.errors import UserError


def build_cache(
    manifest: Path,
    out_dir: Path,
    *,
    frame_size: int,
    num_frames: int,
    n_mels: int,
    fbank_frames: int,
    max_bad_share: float,
    jobs: int,
    mode: str = "stored",
    progress: bool = True,
) -> Path:
    """Decode what is not decoded yet; returns the path of meta.json, which is written last.

    A clip that cannot be used is counted under its reason in `index.parquet` and left out of training; its row is never read. A clip whose `end` is
    not a number is decoded to its end. With `mode='live'` nothing is stored but the verdict on each clip: training decodes.

    Raises:
        UserError: the manifest is missing or empty, more than `max_bad_share` of the clips, or all of them, are unusable (names the reasons), the
            disk is too small or fills up, or the folder cannot be written.
    """
    settings = {
        "frame_size": frame_size,
        "num_frames": num_frames,
        "n_mels": n_mels,
        "fbank_frames": fbank_frames,
    }
    build = build_live if mode == "live" else build_stored
    try:
        digest = _manifest_digest(manifest)
        out_dir.mkdir(parents=True, exist_ok=True)
        return build(
            manifest,
            out_dir,
            settings,
            digest,
            max_bad_share=max_bad_share,
            jobs=jobs,
            progress=progress,
        )
    except OSError as error:
        raise UserError(_disk_words(out_dir, error)) from None


def _disk_words(folder: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{folder}: the disk is full; free some space or set cache.frame_size lower, and run the same command again"
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"{folder} is not writable; change its owner or mode, or set data_root in the plan to a folder that is"
    return f"{folder}: {error}"


def _manifest_digest(manifest: Path) -> str:
    if not manifest.is_file():
        raise UserError(
            f"{manifest}: there is no manifest; run `diccae data render` first, or set data_root in the plan to the folder that has one"
        )
    return hashlib.sha256(manifest.read_bytes()).hexdigest()


def load_cache(folder: str | Path) -> ClipCache:
    """Open a finished cache; arrays are memory maps.

    Raises:
        UserError: the cache is missing, unfinished, or belongs to another manifest.
    """
    folder = Path(folder)
    live = (folder / "meta.json").is_file() and _is_live(folder / "meta.json")
    for name in ("meta.json", "index.parquet", *(() if live else ("frames.npy", "fbank.npy"))):
        if not (folder / name).is_file():
            raise UserError(
                f"{folder}: no finished clip cache ({name} is missing); run `diccae data cache` first"
            )
    manifest = folder.parent / "manifest.parquet"
    return _load(
        folder,
        (folder / "meta.json").stat().st_mtime_ns,
        manifest.stat().st_mtime_ns if manifest.is_file() else None,
    )


def _is_live(meta: Path) -> bool:
    return json.loads(meta.read_text()).get("mode") == "live"


@lru_cache(maxsize=4)
def _load(folder: Path, _made: int, manifest_changed: int | None) -> ClipCache:
    meta = json.loads((folder / "meta.json").read_text())
    manifest = folder.parent / "manifest.parquet"
    if (
        manifest_changed is not None
        and hashlib.sha256(manifest.read_bytes()).hexdigest() != meta["manifest_sha256"]
    ):
        raise UserError(f"{folder} was made from another {manifest}; run `diccae data cache` again")
    return (open_live if meta.get("mode") == "live" else open_stored)(folder, meta)
