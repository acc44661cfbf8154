"""Whether the file of a clip is still the one that was decoded."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from diccae.digests import file_digest

# why a rendered clip with another digest than in the manifest is not used
ALTERED = (
    "its bytes are not those that were rendered (remove the file and run `diccae data render`, "
    "which makes it again)"
)


class Stamp(NamedTuple):
    """Size and modification time of a file; -1 for both where there is none."""

    bytes: int
    mtime_ns: int


ABSENT = Stamp(-1, -1)


def stamp(path: Path | str) -> Stamp:
    """Size and modification time of a file."""
    try:
        found = Path(path).stat()
    except OSError:
        return ABSENT
    return Stamp(found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=64)
def digest_of(path: str, _stamp: Stamp) -> str:
    """SHA-256 of a file, computed once for all spans of a long recording."""
    return file_digest(Path(path))


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
