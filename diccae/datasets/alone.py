"""One process at a time writes into a folder of clips."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from diccae.errors import UserError


@contextmanager
def alone(folder: Path, command: str) -> Iterator[None]:
    """Hold a lock on a folder, where its file system has locks; it ends with the process, however
    that ends.

    Args:
        folder: exists.
        command: the command that works there, for the error.

    Raises:
        UserError: another process holds it.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"{folder}: another `{command}` works there; wait until it has ended"
            ) from None
        except OSError:
            # there are no locks, as on some network file systems
            pass
        yield
    finally:
        os.close(handle)
