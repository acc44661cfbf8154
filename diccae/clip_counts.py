"""Number of clips by split, source and class, in a manifest or a cache."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as parquet

from diccae.data_settings import SOUND_SUFFIXES
from diccae.errors import UserError
from diccae.stored_file import CACHE_AGAIN, MAKE_AGAIN, reading

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["split", "source", "label", "label_name"]


@dataclass(frozen=True)
class Clips:
    """Number of clips that can be used, and where the numbers come from, in words.

    Attributes:
        counts: by (split, source).
        origin: the file and what it says.
        by_class: by (split, label), -1 for no label; None where labels are not known.
        names: name of every class that is listed, by its label.
        sound_files: how many of them are files of sound without a picture, by their names; 0 where
            names are not known.
    """

    counts: Counter[tuple[str, str]]
    origin: str
    by_class: Counter[tuple[str, int]] | None = None
    names: dict[int, str] = field(default_factory=dict)
    sound_files: int = 0

    @property
    def total(self) -> int:
        """Number of clips in all splits and sources."""
        return self.counts.total()

    def of(self, splits: list[str], sources: list[str] | None = None) -> int:
        """Number of clips in some splits, of some sources (None for all)."""
        return sum(
            count
            for (split, source), count in self.counts.items()
            if split in splits and (sources is None or source in sources)
        )

    def of_classes(self, split: str) -> dict[int, int]:
        """Number of clips of each class that is listed, in one split, by label; empty where labels
        are not known."""
        if self.by_class is None:
            return {}
        return {label: self.by_class[split, label] for label in sorted(self.names)}


def count_index(path: Path) -> Clips:
    """Number of usable clips of a cache, by its index.

    Raises:
        UserError: it cannot be read, a label has two names, or a name two labels.
    """
    table = _read_columns(path, "status", CACHE_AGAIN)
    usable = pc.equal(table["status"], "ok")
    found = f"{pc.sum(usable).as_py() or 0} usable of {len(table)} clips"
    return _count(table, usable, f"{path}: {found}")


def count_manifest(path: Path) -> Clips:
    """Number of clips of a manifest whose files were found.

    Raises:
        UserError: it cannot be read, a label has two names, or a name two labels.
    """
    return _count_found(_read_columns(path, "path", MAKE_AGAIN), str(path))


def count_table(table: pd.DataFrame, name: str) -> Clips:
    """Number of clips of a manifest that is not written yet, whose files were found.

    Args:
        table: the manifest.
        name: where it comes from, in words.

    Raises:
        UserError: a label has two names, or a name two labels.
    """
    return _count_found(pa.Table.from_pandas(table[[*COLUMNS, "path"]]), name)


def count_listed(table: pd.DataFrame, origin: str) -> Clips:
    """Number of clips of a manifest whose files were not searched for.

    Args:
        table: the manifest.
        origin: where it comes from, in words.

    Raises:
        UserError: a label has two names, or a name two labels.
    """
    every = pa.chunked_array([pa.repeat(pa.scalar(True), len(table))])
    clips = _count(pa.Table.from_pandas(table[COLUMNS]), every, origin)
    # the recording is by default the file that a list of one's own names
    return replace(clips, sound_files=_sound_files(pa.array(table["video"], pa.large_string())))


def _read_columns(path: Path, further: str, way_out: str) -> pa.Table:
    wanted = [*COLUMNS, further]
    with reading(path, way_out):
        file = parquet.ParquetFile(path, read_dictionary=["split", "source", "label_name"])
        missing = [name for name in wanted if name not in file.schema_arrow.names]
        if missing:
            raise UserError(f"{path}: it has no column {missing[0]}; {way_out}")
        return file.read(columns=wanted).unify_dictionaries()


def _count_found(table: pa.Table, name: str) -> Clips:
    found = pc.not_equal(table["path"], "")
    listed = f"{pc.sum(found).as_py() or 0} found of {len(table)} listed clips"
    clips = _count(table, found, f"{name}: {listed}, not probed yet")
    return replace(clips, sound_files=_sound_files(table["path"]))


def _sound_files(names: pa.Array | pa.ChunkedArray) -> int:
    """How many file names have a suffix of sound."""
    pattern = rf"(?i)\.({'|'.join(SOUND_SUFFIXES)})$"
    return pc.sum(pc.match_substring_regex(names, pattern)).as_py() or 0


def _count(table: pa.Table, usable: pa.ChunkedArray, origin: str) -> Clips:
    """Count the rows that are usable; classes are those of all rows.

    Raises:
        UserError: a label has two names, or a name two labels.
    """
    keyed = table.select(COLUMNS).append_column("usable", usable)
    groups = keyed.group_by(keyed.column_names).aggregate([([], "count_all")])
    counts, by_class = Counter[tuple[str, str]](), Counter[tuple[str, int]]()
    names: dict[int, str] = {}
    for group in groups.sort_by("label").to_pylist():
        label, name = group["label"], group["label_name"]
        if label >= 0 and names.setdefault(label, name) != name:
            raise UserError(
                f"{origin}: label {label} is {names[label]!r} and {name!r}; give each class a "
                "label of its own"
            )
        if group["usable"]:
            counts[group["split"], group["source"]] += group["count_all"]
            by_class[group["split"], label] += group["count_all"]
    labels = {name: label for label, name in names.items()}
    for label, name in names.items():
        if labels[name] != label:
            raise UserError(
                f"{origin}: {name!r} is label {label} and label {labels[name]}; give each class "
                "one label"
            )
    return Clips(counts, origin, by_class, names)
