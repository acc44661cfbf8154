"""Whether the file of a clip is still the one that was decoded."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from diccae.digests import file_digest

# why a rendered clip with another digest than in the manifest is not used
ALTERED = "its bytes are not those that were rendered (`diccae data render` makes it again)"
# bytes of clips that every process can afford to read
QUICK_BYTES = 1_000_000_000


class Stamp(NamedTuple):
    """Size and modification time of a file; -1 for both where there is none."""

    bytes: int
    mtime_ns: int


ABSENT = Stamp(-1, -1)
# of another file than the one that the cache was made from
OTHER = Stamp(-2, -2)


def clip_path(folder: Path | str, name: str) -> Path:
    """The file of a clip.

    Args:
        folder: of the manifest.
        name: its path in the manifest, absolute or relative to that folder.
    """
    path = os.path.join(folder, name)
    # `..` goes back along the names, as in `write_manifest`; the system would follow the link
    return Path(os.path.normpath(path) if _is_linked(os.path.abspath(folder)) else path)


@lru_cache
def _is_linked(folder: str) -> bool:
    """Whether a symbolic link is in the absolute path of a folder."""
    return os.path.realpath(folder) != folder


def stamp(path: Path | str) -> Stamp:
    """Size and modification time of a file."""
    try:
        found = os.stat(path)
    except OSError:
        return ABSENT
    return Stamp(found.st_size, found.st_mtime_ns)


def clip_digest(path: Path | str) -> str:
    """SHA-256 of a file; empty where it cannot be read."""
    try:
        return file_digest(Path(path))
    except OSError:
        return ""


@lru_cache(maxsize=64)
def digest_of(path: str, _stamp: Stamp) -> str:
    """`clip_digest` of a file, computed once for all spans of a long recording."""
    return clip_digest(path)


def is_replaced(path: Path | str, known: Stamp, sha256: str) -> bool:
    """Whether a file is another one than before.

    Only a file whose size or modification time differs is read: a copy of a folder has other times
    and the same bytes. A file that does not exist is not replaced.

    Args:
        path: the file.
        known: its stamp when it was decoded.
        sha256: its digest when it was decoded.
    """
    now = stamp(path)
    if now in (known, ABSENT):
        return False
    return digest_of(str(path), now) != sha256


def known_stamps(cache: Path, digests: pd.Series) -> np.ndarray:
    """Size and modification time of the files of a cache's clips when they were decoded.

    They are those of progress.json or the ledger, which may be newer than the cache: the ledger is
    that of the manifest, and each check of the clips updates it.

    Args:
        cache: folder of the cache.
        digests: (N,) SHA-256 of the files when they were decoded, from the index.

    Returns:
        (N, 2) int64; OTHER where the stamp is that of a file with another digest, -1 where it is
        unknown, as in a cache that was copied without its progress.json and the ledger.
    """
    progress, ledger = cache / "progress.json", cache.parent / "ledger.parquet"
    names = [*Stamp._fields, "sha256"]
    try:
        if progress.is_file():
            saved = json.loads(progress.read_text())
            known = pd.DataFrame({name: saved[name] for name in Stamp._fields})
            known["sha256"] = saved["file_sha256"]
            # clips that an interrupted build had yet to decode
            known["sha256"] = known["sha256"].where(known["sha256"] != "", digests.to_numpy())
        else:
            known = pd.read_parquet(ledger, columns=names)
    except (OSError, ValueError, KeyError):
        known = pd.DataFrame()
    if len(known) != len(digests):
        return np.full((len(digests), 2), -1)
    stamps = known[[*Stamp._fields]].fillna(-1).to_numpy(np.int64, copy=True)
    stamps[known["sha256"].fillna("").to_numpy() != digests.to_numpy()] = OTHER
    return stamps


def replaced_clips(cache: Path) -> list[str]:
    """The files of a stored cache's clips that are other files than those that were decoded.

    Files of the same size with another time are read only if they have at most QUICK_BYTES
    together: where more of them have other times, the folder was copied, and only `diccae doctor`
    and `diccae verify` take the time to read it. A cache without progress.json or index has no
    replaced files: what was decoded is not known there.
    """
    if not (cache / "progress.json").is_file() or not (cache / "index.parquet").is_file():
        return []
    try:
        index = pd.read_parquet(cache / "index.parquet", columns=["path", "file_sha256"])
    except (OSError, ValueError):
        return []
    stamps = map(Stamp._make, known_stamps(cache, index["file_sha256"]).tolist())
    paths = (str(clip_path(cache.parent, name)) for name in index["path"])
    changed = [
        (path, known, digest, now)
        for path, digest, known in zip(paths, index["file_sha256"], stamps, strict=True)
        if digest and known != ABSENT and (now := stamp(path)) not in (known, ABSENT)
    ]
    read = sum(now.bytes for _, known, _, now in changed if _may_be(known, now)) <= QUICK_BYTES
    return [
        path
        for path, known, digest, now in changed
        if not _may_be(known, now) or (read and digest_of(path, now) != digest)
    ]


def _may_be(known: Stamp, now: Stamp) -> bool:
    """Whether a file may have the digest in the index, as far as its size says."""
    return known == OTHER or known.bytes == now.bytes
