"""Atomic writing of files: a file is either complete or as it was before."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from diccae.errors import UserError

REASONS = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the quota is used up; free some space",
    errno.EROFS: "the folder is read-only; mount it writable",
    errno.EACCES: "no permission to write there; change the folder's owner or mode",
    errno.EPERM: "no permission to write there; change the folder's owner or mode",
}


def write_error(path: Path, error: OSError) -> UserError:
    """The error to raise where a file or folder cannot be written: the reason and the way out.

    Args:
        path: the file or folder that was to be written.
        error: what the operating system reported.
    """
    reason = REASONS.get(
        error.errno or 0, f"it cannot be written ({error.strerror or error}); correct that"
    )
    return UserError(
        f"{path}: {reason}, then run the same command again: finished work and checkpoints are kept"
    )


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`, which replaces `path` when the block ends.

    The folder is created if it does not exist. If the block raises, the temporary file is removed
    and an existing `path` stays unchanged.

    Raises:
        UserError: the file cannot be written; the message gives the reason and the way out.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise write_error(path, error) from None
    finally:
        # is_file is False after a success, and where a part of the path is itself a file
        if temporary.is_file():
            temporary.unlink()
