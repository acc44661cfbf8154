"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from diccae.errors import UserError

WAYS_OUT = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the quota is used up; free some space",
    errno.EROFS: "the folder is read-only; mount it writable",
    errno.EACCES: "no permission to write there; change the folder's owner or mode",
}


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path beside `path`, in a folder that is made if need be; what is written there takes the place of `path` at the end, or is removed.

    Raises:
        UserError: the file cannot be written; says why and what to do. What was there before stays.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        reason = WAYS_OUT.get(
            error.errno or 0, f"it cannot be written ({error.strerror or error}); mend that"
        )
        raise UserError(
            f"{path}: {reason}, then run the same command again: finished work and checkpoints are kept"
        ) from None
    finally:
        # gone after a success, and out of reach where the folder itself is none
        if temporary.is_file():
            temporary.unlink()
