"""Atomic writing of files: a file is either complete or as it was before."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from diccae.errors import UserError

NO_ROOM = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the quota is used up; free some space",
    errno.EFBIG: "the file is larger than allowed (ulimit -f); raise the limit",
}
REASONS = NO_ROOM | {
    errno.EROFS: "the folder is read-only; mount it writable",
    errno.EACCES: "no permission to write there; change its owner or mode",
    errno.EPERM: "no permission to write there; change its owner or mode",
}


def write_error(path: Path, error: OSError) -> UserError:
    """The error to raise where a file or folder cannot be written: the reason and the way out.

    Args:
        path: the file or folder that was to be written.
        error: what the operating system reported.
    """
    number = errno.ENOSPC if _is_short_write(error) else error.errno or 0
    reason = REASONS.get(number, f"it cannot be written ({error.strerror or error}); correct that")
    return UserError(
        f"{path}: {reason}, then run the same command again: finished work and checkpoints are kept"
    )


def disk_full(error: BaseException | None) -> OSError | None:
    """The error of the operating system, among an exception and those that it came from, that says
    that a file does not fit on the disk; None without one.

    torch.save and others raise exceptions of their own for it.
    """
    torch_says = isinstance(error, RuntimeError) and "inline_container" in str(error)
    reported = OSError(None, f"torch says: {error}") if torch_says else None
    while error is not None:
        if isinstance(error, OSError) and (error.errno in NO_ROOM or _is_short_write(error)):
            return error
        error = error.__cause__ or error.__context__
    return reported


def _is_short_write(error: OSError) -> bool:
    # NumPy's tofile does not say why it wrote too little
    return error.errno is None and "requested and" in str(error)


@contextmanager
def whole_file(path: Path, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`, which replaces `path` when the block ends.

    The folder is created if it does not exist. If the block raises, the temporary file is removed
    and an existing `path` stays unchanged. An existing file keeps its permission bits; of a
    symbolic link the file that it points to is replaced. What is no regular file, such as
    /dev/stdout, is written directly.

    Args:
        path: the file to write.
        durable: whether the file is on the disk when the block ends, so that not even a power cut
            leaves an empty one.

    Raises:
        UserError: the file cannot be written; the message gives the reason and the way out.
    """
    special = path.exists() and not path.is_file() and not path.is_dir()
    target = path if special else Path(os.path.realpath(path))
    temporary = path if special else target.with_name(f".{target.name}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = _mode_of(target)
        yield temporary
        if mode is not None:
            temporary.chmod(mode)
        if durable and not special:
            _flush(temporary)
        if not special:
            os.replace(temporary, target)
    except UserError:
        raise
    except Exception as error:
        cause = error if isinstance(error, OSError) else disk_full(error)
        if cause is None:
            raise
        raise write_error(path, cause) from None
    finally:
        # is_file is False after a success, and where a part of the path is itself a file
        if temporary.is_file():
            temporary.unlink()


def _mode_of(target: Path) -> int | None:
    """Permission bits of an existing file, which must be writable: a rename would not ask."""
    if not target.is_file():
        return None
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return target.stat().st_mode & 0o7777


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
