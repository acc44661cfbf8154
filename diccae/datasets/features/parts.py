"""Files of stored features: parts of up to 1,024 clips, each complete or absent.

A part is an array `<name>.npy`, float16 (n, S, P, D), and `<name>.json`, which is written last:
what the features were made from, the key of each clip, and the SHA-256 of the array. So a killed
process loses the clips of one part, and processes on several machines can write into one folder.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diccae.digests import file_digest, text_digest
from diccae.errors import UserError
from diccae.stored_file import read_json, reading
from diccae.whole_file import whole_file

# clips of a part, and the bytes that it has at most if it has more than one clip
CLIPS, BYTES = 1024, 2**26
AGAIN = "run `diccae data features --plan <its plan>` again, which computes only what is missing"


@dataclass(frozen=True)
class Part:
    """A complete part.

    Attributes:
        path: of its array.
        keys: key of the clip of each row.
        shape: (n, S, P, D).
        sha256: of the file of its array.
    """

    path: Path
    keys: list[str]
    shape: tuple[int, ...]
    sha256: str

    def damage(self) -> str:
        """What is wrong with the file of its array, in words; empty if nothing is."""
        if not self.path.is_file():
            return f"{self.path} is missing"
        if file_digest(self.path) != self.sha256:
            return f"{self.path} is not the file that was written"
        return ""

    def open(self) -> np.ndarray:
        """The array, float16 (n, S, P, D), a read-only memory map.

        Raises:
            UserError: the file is missing or damaged.
        """
        with reading(self.path, AGAIN):
            return np.asarray(np.load(self.path, mmap_mode="r"))


def write_part(
    folder: Path, features: np.ndarray, keys: Sequence[str], made_from: dict[str, Any]
) -> Part:
    """Write a part; its name follows from its clips and from what the features were made from.

    Args:
        folder: of the modality.
        features: float16 (n, S, P, D).
        keys: key of each clip.
        made_from: what the features were made from.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    name = text_digest(json.dumps([made_from, *keys], sort_keys=True))[:16]
    path = folder / f"{name}.npy"
    with whole_file(path) as temporary, open(temporary, "wb") as handle:
        np.save(handle, features)
    part = Part(path, list(keys), features.shape, file_digest(path))
    content = {"made_from": made_from, "shape": part.shape, "sha256": part.sha256, "keys": keys}
    with whole_file(path.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(content))
    return part


def read_parts(folder: Path, made_from: dict[str, Any]) -> list[Part]:
    """The complete parts in a folder, by name; their arrays are not read.

    Raises:
        UserError: a description is damaged, or features of another origin lie there.
    """
    parts = []
    for path in sorted(folder.glob("*.json")):
        content = read_json(path, f"remove it, then {AGAIN}")
        with reading(path, f"remove it, then {AGAIN}"):
            if content["made_from"] != made_from:
                raise other_origin(folder, content["made_from"], made_from)
            shape, keys = tuple(content["shape"]), content["keys"]
            parts.append(Part(path.with_suffix(".npy"), keys, shape, content["sha256"]))
    return parts


def other_origin(folder: Path, found: dict[str, Any], wanted: dict[str, Any]) -> UserError:
    """The error for features that were made from something else; names the first difference."""
    names = [*wanted, *(name for name in found if name not in wanted)]
    name = next((name for name in names if found.get(name) != wanted.get(name)), "")
    return UserError(
        f"{folder}: its features were made with {name} {found.get(name)}, the plan says "
        f"{wanted.get(name)}; set features.name in the plan to a name of its own for the new "
        f"features, or restore {name}"
    )


def clips_of_a_part(bytes_of_a_clip: int) -> int:
    """Number of clips in a part."""
    return max(1, min(CLIPS, BYTES // bytes_of_a_clip))
