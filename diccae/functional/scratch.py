"""Arrays that may be larger than memory."""

from __future__ import annotations

import os
import tempfile

import numpy as np
from jaxtyping import Float

# larger arrays live in a file, whose pages the kernel may take back
IN_MEMORY = 2**30
# rows that are looked at together, so that temporary arrays stay small
BLOCK = 65536


def empty_rows(rows: int, width: int) -> Float[np.ndarray, "rows width"]:
    """An uninitialised float32 array; above 1 GiB in an unnamed file in the temporary folder.

    Raises:
        OSError: the temporary folder (TMPDIR) has no room for it.
    """
    size = 4 * rows * width
    if size <= IN_MEMORY:
        return np.empty((rows, width), np.float32)
    with tempfile.TemporaryFile() as file:
        try:
            # a map of a file that has no place on the disk kills the process when the disk fills up
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            raise OSError(
                error.errno,
                f"{tempfile.gettempdir()}: {rows} rows of features need {size / 1e9:.1f} GB there "
                f"({error.strerror}); free some space, or set TMPDIR to a folder that has it",
            ) from None
        return np.memmap(file, np.float32, "r+", shape=(rows, width))
