"""Every clip of a manifest, decoded once: frames as uint8 and log-mels as float16 in two arrays that processes map into memory."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import multiprocessing
import os
import shutil
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from diccae.datasets.media import MediaError, decode_clip
from diccae.structures import UserError

SAMPLE_RATE = 16000
WINDOW_MS = 25.0
CHUNK = 64
TODO = ""
OK = "ok"


@dataclass(frozen=True)
class ClipCache:
    """frames uint8 (N, T, H, W, 3), fbank float16 (N, frames, n_mels), index: one row a clip with its status, meta: settings and statistics."""

    frames: Any
    fbank: Any
    index: pd.DataFrame
    meta: dict[str, Any]


def log_mels(audio: np.ndarray, n_mels: int, frames: int) -> np.ndarray:
    """Kaldi filter bank of mono 16 kHz audio (S,), as float16 (frames, n_mels); the hop is what makes `frames` frames of it."""
    import torch
    from torchaudio.compliance.kaldi import fbank

    window_ms = WINDOW_MS
    wave = torch.from_numpy(audio)[None]
    shift = max(1.0, (len(audio) / SAMPLE_RATE * 1000 - window_ms) / (frames - 1))
    features = fbank(
        wave - wave.mean(),
        sample_frequency=SAMPLE_RATE,
        num_mel_bins=n_mels,
        frame_length=window_ms,
        frame_shift=shift,
        dither=0.0,
        window_type="hanning",
    )
    if len(features) < frames:
        features = torch.nn.functional.pad(features, (0, 0, 0, frames - len(features)), value=float(features.min()))
    return features[:frames].numpy().astype(np.float16)


def _decode_chunk(task: tuple[str, list[tuple[int, str, float, float]], dict[str, int]]) -> list[tuple[int, str, str]]:
    import torch

    torch.set_num_threads(1)
    folder, rows, settings = task
    frames, fbank = (np.load(Path(folder) / f"{name}.npy", mmap_mode="r+") for name in ("frames", "fbank"))
    results = []
    for row, path, start, end in rows:
        try:
            clip = decode_clip(
                path,
                start=start,
                end=end if math.isfinite(end) else None,
                num_frames=settings["num_frames"],
                size=(settings["frame_size"],) * 2,
                sample_rate=SAMPLE_RATE,
            )
            if len(clip.audio) < SAMPLE_RATE * WINDOW_MS / 1000:
                raise MediaError(
                    path,
                    "too_short",
                    f"its sound lasts {len(clip.audio) / SAMPLE_RATE * 1000:.0f} ms, {WINDOW_MS:.0f} ms are needed",
                )
            frames[row] = clip.frames
            fbank[row] = log_mels(clip.audio, settings["n_mels"], settings["fbank_frames"])
            results.append((row, OK, ""))
        except MediaError as error:
            results.append((row, error.reason, str(error)))
    frames.flush()
    fbank.flush()
    return results


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
    try:
        settings = {"frame_size": frame_size, "num_frames": num_frames, "n_mels": n_mels, "fbank_frames": fbank_frames}
        if mode == "live":
            from diccae.datasets.live_clips import build_live

            digest = _manifest_digest(manifest)
            out_dir.mkdir(parents=True, exist_ok=True)
            return build_live(
                manifest, out_dir, settings, digest, max_bad_share=max_bad_share, jobs=jobs, progress=progress
            )
        return _build(manifest, out_dir, settings, max_bad_share, jobs, progress)
    except OSError as error:
        raise UserError(_disk_words(out_dir, error)) from None


def _disk_words(folder: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"{folder}: the disk is full; free some space or set cache.frame_size lower, and run the same command again"
        )
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"{folder} is not writable; change its owner or mode, or set data_root in the plan to a folder that is"
    return f"{folder}: {error}"


def _manifest_digest(manifest: Path) -> str:
    if not manifest.is_file():
        raise UserError(
            f"{manifest}: there is no manifest; run `diccae data render` first, or set data_root in the plan to the folder that has one"
        )
    return hashlib.sha256(manifest.read_bytes()).hexdigest()


def _build(
    manifest: Path, out_dir: Path, settings: dict[str, int], max_bad_share: float, jobs: int, progress: bool
) -> Path:
    digest = _manifest_digest(manifest)
    table = pd.read_parquet(manifest)
    if len(table) == 0:
        raise UserError(f"{manifest}: the manifest names no clip; make it again with `diccae data render`")
    out_dir.mkdir(parents=True, exist_ok=True)
    meta_path = out_dir / "meta.json"
    shapes = _shapes(len(table), settings)
    needed = sum(int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in shapes.values())
    status = _resume(out_dir, digest, settings, len(table))
    if status is None:
        # a process that still maps the arrays of an older cache keeps them; the marks of what is done go first
        for name in ("meta.json", "progress.json", *(f"{name}.npy" for name in shapes)):
            (out_dir / name).unlink(missing_ok=True)
        free = shutil.disk_usage(out_dir).free
        print(f"cache of {len(table)} clips in {out_dir}: {needed / 1e6:.0f} MB needed, {free / 1e6:.0f} MB free")
        if needed > free:
            raise UserError(
                f"{out_dir}: the cache needs {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; "
                "free some space or set cache.frame_size lower"
            )
        for name, (shape, kind) in shapes.items():
            _create(out_dir / f"{name}.npy", shape, kind)
        status = pd.DataFrame({"status": [TODO] * len(table), "message": [""] * len(table)})
        nowhere = table["path"] == ""
        status.loc[nowhere, "status"] = "missing"
        status.loc[nowhere, "message"] = table["id"][nowhere] + ": listed, but no file of it was found"
        _save_progress(out_dir, status, digest, settings)
    root = manifest.parent
    todo = np.flatnonzero(status["status"] == TODO)
    columns = table[["path", "start", "end"]].to_numpy()
    rows = [(int(row), str(root / columns[row][0]), float(columns[row][1]), float(columns[row][2])) for row in todo]
    tasks = [(str(out_dir), rows[start : start + CHUNK], settings) for start in range(0, len(rows), CHUNK)]
    with tqdm(
        total=len(table),
        initial=len(table) - len(todo),
        desc="caching",
        unit="clip",
        disable=not progress,
        mininterval=1,
    ) as bar:
        pool = multiprocessing.get_context("spawn").Pool(min(jobs, len(tasks))) if jobs > 1 and len(tasks) > 1 else None
        try:
            for count, results in enumerate(
                pool.imap_unordered(_decode_chunk, tasks) if pool else map(_decode_chunk, tasks)
            ):
                for row, state, message in results:
                    status.loc[row, ["status", "message"]] = [state, message]
                if count % 16 == 15:
                    _save_progress(out_dir, status, digest, settings)
                bar.update(len(results))
        finally:
            if pool:
                pool.terminate()
            _save_progress(out_dir, status, digest, settings)
    _refuse_if_bad(manifest, status, max_bad_share)
    index = pd.concat([table, status], axis=1)
    index.to_parquet(out_dir / "index.parquet", index=False)
    mean, std = _statistics(np.load(out_dir / "fbank.npy", mmap_mode="r"), index)
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
    temporary = out_dir / ".meta.json.tmp"
    temporary.write_text(json.dumps(meta, indent=1) + "\n")
    os.replace(temporary, meta_path)
    return meta_path


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
        reasons = ", ".join(f"{count} {reason}" for reason, count in Counter(bad["status"]).most_common(10))
        print(f"{len(bad)} of {len(status)} clips cannot be used: {reasons}; first: {bad['message'].iloc[0]}")
        if len(bad) > max_bad_share * len(status) or len(bad) == len(status):
            raise UserError(
                f"{manifest}: {len(bad)} of {len(status)} clips cannot be used ({reasons}); first: {bad['message'].iloc[0]}. "
                "Mend them, or raise cache.max_bad_share in the plan"
            )


def _statistics(fbank: np.ndarray, index: pd.DataFrame) -> tuple[float, float]:
    """Mean and standard deviation over usable clips that training may see."""
    rows = np.flatnonzero(index["split"].isin(["unlabelled", "train"]) & (index["status"] == OK))
    return fbank_statistics(fbank, rows if len(rows) else np.flatnonzero(index["status"] == OK))


def fbank_statistics(fbank: Any, rows: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of the log-mels `fbank[row]` of some rows."""
    totals, count = np.zeros(2), 0
    for start in range(0, len(rows), 1024):
        block = np.stack([fbank[int(row)] for row in rows[start : start + 1024]]).astype(np.float64)
        totals += block.sum(), (block**2).sum()
        count += block.size
    mean = totals[0] / count
    return float(mean), float(np.sqrt(totals[1] / count - mean**2))


def _resume(out_dir: Path, digest: str, settings: dict[str, int], clips: int) -> pd.DataFrame | None:
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
    if saved["manifest_sha256"] != digest or saved["settings"] != settings or len(saved["status"]) != clips:
        return None
    # a clip that could not be used is tried again: it may have been mended
    return pd.DataFrame(
        {"status": [state if state == OK else TODO for state in saved["status"]], "message": [""] * clips}
    )


def _save_progress(out_dir: Path, status: pd.DataFrame, digest: str, settings: dict[str, int]) -> None:
    temporary = out_dir / ".progress.json.tmp"
    temporary.write_text(
        json.dumps({"manifest_sha256": digest, "settings": settings, "status": status["status"].tolist()})
    )
    os.replace(temporary, out_dir / "progress.json")


def load_cache(folder: str | Path) -> ClipCache:
    """Open a finished cache; arrays are memory maps.

    Raises:
        UserError: the cache is missing, unfinished, or belongs to another manifest.
    """
    folder = Path(folder)
    live = (folder / "meta.json").is_file() and _is_live(folder / "meta.json")
    for name in ("meta.json", "index.parquet", *(() if live else ("frames.npy", "fbank.npy"))):
        if not (folder / name).is_file():
            raise UserError(f"{folder}: no finished clip cache ({name} is missing); run `diccae data cache` first")
    manifest = folder.parent / "manifest.parquet"
    return _load(
        folder, (folder / "meta.json").stat().st_mtime_ns, manifest.stat().st_mtime_ns if manifest.is_file() else None
    )


def _is_live(meta: Path) -> bool:
    return json.loads(meta.read_text()).get("mode") == "live"


@lru_cache(maxsize=4)
def _load(folder: Path, _made: int, manifest_changed: int | None) -> ClipCache:
    meta = json.loads((folder / "meta.json").read_text())
    manifest = folder.parent / "manifest.parquet"
    if manifest_changed is not None and hashlib.sha256(manifest.read_bytes()).hexdigest() != meta["manifest_sha256"]:
        raise UserError(f"{folder} was made from another {manifest}; run `diccae data cache` again")
    if meta.get("mode") == "live":
        from diccae.datasets.live_clips import open_live

        return open_live(folder, meta)
    frames, fbank = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("frames", "fbank"))
    return ClipCache(frames, fbank, pd.read_parquet(folder / "index.parquet"), meta)
