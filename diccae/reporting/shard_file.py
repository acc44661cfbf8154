"""The file format of a shard: a NumPy archive (.npz) of arrays, with `about.json` beside them.

`numpy.load` opens it. `sha256.txt` is the SHA-256 over names and contents of all other members.
"""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diccae.errors import UserError
from diccae.whole_file import whole_file

FORMAT = 2
ABOUT, DIGEST = "about.json", "sha256.txt"
COPY_AGAIN = "copy it again, or export it again with `diccae export --shard`"
# the same for every file, so that equal contents give equal bytes
TIME = (1980, 1, 1, 0, 0, 0)


def write_shard(path: Path, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a shard; equal contents give equal bytes.

    Raises:
        UserError: the file cannot be written; an old one is kept.
    """
    members = {f"{name}.npy": _npy(array) for name, array in arrays.items()}
    content = {"format": FORMAT, **about}
    members[ABOUT] = (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()
    members[DIGEST] = f"{content_digest(members)}\n".encode()
    with (
        whole_file(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_LZMA) as archive,
    ):
        for name in sorted(members):
            info = zipfile.ZipInfo(name, TIME)
            info.compress_type = zipfile.ZIP_LZMA
            archive.writestr(info, members[name])


def read_shard(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """(about.json, arrays by name) of a shard.

    Raises:
        UserError: the file is missing, cut off, edited, no shard, or of another format.
    """
    members = _members(path)
    if ABOUT not in members or DIGEST not in members:
        raise UserError(f"{path} is not a shard: it has no {ABOUT} and {DIGEST}; remove it")
    if members[DIGEST].decode(errors="replace").strip() != content_digest(members):
        raise UserError(f"{path} was edited: its content has another digest; {COPY_AGAIN}")
    try:
        about = json.loads(members[ABOUT])
        number = about["format"]
    except (ValueError, TypeError, KeyError):
        raise UserError(f"{path} is not a shard: its {ABOUT} states no format; remove it") from None
    if number != FORMAT:
        raise UserError(
            f"{path} has format {number}, this version reads format {FORMAT}; export it "
            "again with this version"
        )
    arrays = {
        name.removesuffix(".npy"): np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
        for name, content in members.items()
        if name.endswith(".npy")
    }
    return about, arrays


def content_digest(members: Mapping[str, bytes]) -> str:
    """SHA-256 over the members of a shard but `sha256.txt`, 64 hex digits: in the order of their
    names, each name, a zero byte, and the SHA-256 of the content."""
    hasher = hashlib.sha256()
    for name in sorted(set(members) - {DIGEST}):
        hasher.update(name.encode() + b"\0" + hashlib.sha256(members[name]).digest())
    return hasher.hexdigest()


def _members(path: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    except FileNotFoundError:
        raise UserError(f"{path} is missing; {COPY_AGAIN}") from None
    except (OSError, EOFError, RuntimeError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}); {COPY_AGAIN}") from None
    # what zipfile raises where a file is cut off or a byte was changed
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError) as error:
        raise UserError(f"{path} is damaged ({error}); {COPY_AGAIN}") from None


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()
