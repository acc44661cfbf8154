"""At most one process trains a run, also when the jobs of a killed workflow still work."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from diccae.whole_file import write_error

NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


@contextmanager
def sole_trainer(work: Path) -> Iterator[None]:
    """Hold the lock of a run, `<work>.lock`, and wait first while another process holds it.

    Without effect on a file system that has no locks.

    Args:
        work: the work folder of the run.

    Raises:
        UserError: the file cannot be written.
    """
    path = work.with_name(f"{work.name}.lock")
    with _locked(path):
        yield
        # who waits opens a new file
        path.unlink(missing_ok=True)


def _locked(path: Path) -> IO[str]:
    """The open file at `path`, whose lock this process holds."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = open(path, "a")  # noqa: SIM115
        except OSError as error:
            raise write_error(path, error) from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{path}: another process trains this run; waiting for its end", flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
        # that of a removed file would not keep out those that come later
        if _lies_at(path, handle):
            return handle
        handle.close()


def _lies_at(path: Path, handle: IO[str]) -> bool:
    """Whether an open file is the one that lies at a path."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle.fileno()))
    except OSError:
        return False
