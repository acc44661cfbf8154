"""Reading of files that this package wrote, which a crash or a full disk may have cut off."""

from __future__ import annotations

import json
import pickle
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from diccae.errors import UserError

# what json, pandas, pyarrow, numpy and torch raise for a file that is empty, cut off or no file of
# theirs
DAMAGED = (
    ValueError,
    OSError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    pickle.UnpicklingError,
)

# ways out: for a file that the workflow makes, and for one of a clip cache
MAKE_AGAIN = "remove it, then run the workflow again"
CACHE_AGAIN = "run `diccae data cache --plan <its plan>` again, which makes it anew"


@contextmanager
def reading(path: Path, way_out: str) -> Iterator[None]:
    """Turn the errors of a block that reads a file into one sentence.

    Args:
        path: the file.
        way_out: what to do if it is damaged.

    Raises:
        UserError: the file is missing, empty, cut off or of another kind.
    """
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path} is missing; {way_out}") from None
    except PermissionError:
        raise UserError(f"{path} cannot be read: no permission; change its owner or mode") from None
    except DAMAGED as error:
        raise UserError(f"{path} is {_damage(path, error)}; {way_out}") from None


def _damage(path: Path, error: BaseException) -> str:
    if path.is_file() and path.stat().st_size == 0:
        return "empty"
    lines = str(error).splitlines() or [type(error).__name__]
    # pyarrow names the file first, and what else may be wrong last
    reason = lines[0].split(f"{path}': ")[-1].split(". ")[0]
    return f"damaged ({reason})"


def read_json(path: Path, way_out: str) -> dict[str, Any]:
    """Content of a JSON file that holds one object.

    Raises:
        UserError: the file is missing, empty, cut off or of another kind.
    """
    with reading(path, way_out):
        content = json.loads(path.read_text())
        if not isinstance(content, dict):
            raise ValueError(f"wanted one object, got {type(content).__name__}")
    return content


def json_or_nothing(path: Path, consequence: str) -> dict[str, Any] | None:
    """Content of a JSON file whose loss costs little; None if it is missing or damaged.

    Args:
        path: the file.
        consequence: what happens if it is damaged; printed with its name.
    """
    if not path.is_file():
        return None
    try:
        return read_json(path, consequence)
    except UserError as error:
        print(error, flush=True)
        return None
