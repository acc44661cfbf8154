"""Vectors of clips that were made elsewhere: a .npz file, or a folder of .npy files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from diccae.errors import UserError
from diccae.feature_settings import FeatureSource
from diccae.stored_file import reading

AGAIN = "make it again"


class Vectors:
    """Vectors by clip.

    Args:
        modality: `audio` or `video`, for errors.
        source: a source with a `file`.

    Raises:
        UserError: the file is damaged, an array is missing or has another length or type, or two
            vectors have the same name.
    """

    def __init__(self, modality: str, source: FeatureSource) -> None:
        self.path, self.match = Path(source.file or ""), source.match
        self.where = f"features.{modality}"
        self.array: np.ndarray | None = None
        if self.path.is_dir():
            self.files = sorted(self.path.rglob("*.npy"))
            # without .npy: what a dot follows in the rest of a name is no suffix
            keys = [
                p.stem if self.match == "stem" else str(p.relative_to(self.path).with_suffix(""))
                for p in self.files
            ]
            if not keys:
                raise UserError(f"{self.path}: the folder has no .npy file; correct {self.where}")
        else:
            keys = [self._name(name) for name in self._read(source)]
        twice = [name for name, count in Counter(keys).items() if count > 1]
        if twice:
            raise UserError(
                f"{self.path}: {len(twice)} names stand for several vectors, {twice[0]} first; "
                f"make the names distinct, or change {self.where}.match"
            )
        self.rows = {name: row for row, name in enumerate(keys)}

    def _read(self, source: FeatureSource) -> list[str]:
        with reading(self.path, AGAIN):
            content = np.load(self.path, allow_pickle=False)
            if isinstance(content, np.ndarray):
                raise UserError(
                    f"{self.path}: wanted a .npz file with vectors and the names of their clips, "
                    f"or a folder of .npy files, got a single array; correct {self.where}.file"
                )
            for key, name in (("array", source.array), ("ids", source.ids)):
                if name not in content:
                    raise UserError(
                        f"{self.path}: there is no array {name!r}; set {self.where}.{key} to one "
                        f"of {', '.join(content.files)}"
                    )
            self.array, names = content[source.array], content[source.ids]
        if names.ndim != 1 or self.array.ndim == 0:
            raise UserError(
                f"{self.path}: wanted {source.ids} of shape (N,) and N vectors in {source.array}, "
                f"got the shapes {names.shape} and {self.array.shape}; make it again"
            )
        if len(names) != len(self.array):
            raise UserError(
                f"{self.path}: {source.ids} has {len(names)} names and {source.array} "
                f"{len(self.array)} vectors; make it again"
            )
        return [str(name) for name in names]

    def _name(self, name: str) -> str:
        return PurePosixPath(name).stem if self.match == "stem" else name

    def of_clips(self, table: pd.DataFrame) -> np.ndarray:
        """(N,) position of the vector of each clip; -1 for none.

        Args:
            table: the manifest.

        Raises:
            UserError: two clips have the same name.
        """
        if self.match == "id":
            names = table["id"].astype(str)
        else:
            paths = table["path"].where(table["path"] != "", table["id"]).astype(str)
            names = paths.map(self._name)
            twice = names[names.duplicated()]
            if len(twice):
                raise UserError(
                    f"{self.where}.match: {len(twice)} clips share the name of a file with another "
                    f"clip, {twice.iloc[0]} first; use match: id"
                )
        return np.array([self.rows.get(name, -1) for name in names], dtype=np.int64)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Vectors (n, S, P, D) in float16; (D,) counts as one step and (S, D) as one vector a step.

        Raises:
            UserError: a file is damaged, vectors differ in shape, are no numbers, not finite, or
                too large for float16.
        """
        found = [self._one(int(row)) for row in rows]
        shapes = {value.shape for value in found}
        if len(shapes) > 1:
            raise UserError(
                f"{self.path}: vectors of different shapes, {sorted(shapes)[0]} and "
                f"{sorted(shapes)[1]}; give all clips the same number of steps and values"
            )
        return np.stack(found)

    def _one(self, row: int) -> np.ndarray:
        if self.array is not None:
            value, where = self.array[row], f"{self.path}, vector {row}"
        else:
            where = str(self.files[row])
            with reading(self.files[row], AGAIN):
                value = np.load(self.files[row], allow_pickle=False)
        if value.dtype.kind not in "fiu" or not 1 <= value.ndim <= 3 or value.size == 0:
            raise UserError(
                f"{where}: wanted numbers of shape (D,), (S, D) or (S, P, D), got {value.dtype} "
                f"of shape {value.shape}; make it again"
            )
        with np.errstate(over="ignore"):
            half = value.astype(np.float16)
        if not np.isfinite(half).all():
            raise UserError(
                f"{where}: a value is not finite in float16 (the largest is 65504); make it again "
                "with smaller numbers"
            )
        return (
            half.reshape((1,) * (3 - half.ndim) + half.shape) if half.ndim != 2 else half[:, None]
        )
