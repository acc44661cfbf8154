"""The files of the ledger: its rows, those of an interrupted check, and the lookup of a clip."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from diccae.datasets.probe import PROBE
from diccae.errors import UserError
from diccae.sections import Modality
from diccae.whole_file import whole_file

NAMES = pa.schema(
    [("id", pa.string()), ("path", pa.string()), ("start", pa.float64()), ("end", pa.float64())]
)
SCHEMA = pa.schema(
    [
        *NAMES,
        ("status", pa.string()),
        ("usable", pa.bool_()),
        ("reason", pa.string()),
        ("video_end", pa.float64()),
        ("audio_end", pa.float64()),
        ("peak", pa.float32()),
        ("duration", pa.float64()),
        ("video_streams", pa.int16()),
        ("audio_streams", pa.int16()),
        ("video_codec", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("fps", pa.float32()),
        ("audio_codec", pa.string()),
        ("sample_rate", pa.int32()),
        ("channels", pa.int16()),
        ("sha256", pa.string()),
        ("bytes", pa.int64()),
        ("mtime_ns", pa.int64()),
    ]
)


def read_ledger(ledger: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a ledger, all columns or those named.

    Raises:
        UserError: there is no ledger, or the file is not one.
    """
    if not ledger.is_file():
        raise UserError(f"{ledger}: there is no ledger; run `diccae data check` first")
    try:
        table = pq.read_table(ledger, columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{ledger}: it is not a ledger ({first_line(error)}); remove it or give another path"
        ) from None
    if set(columns or SCHEMA.names) - set(table.column_names):
        raise UserError(
            f"{ledger}: it is not a ledger, columns are missing; remove it or give another path"
        )
    return table


class Known:
    """Rows of earlier checks, looked up by path and span in a sorted array of hashes.

    Args:
        table: rows of the ledger; of rows with the same path and span the last one counts.
    """

    def __init__(self, table: pa.Table) -> None:
        hashes = _hashes(table)
        # reversed, so that the last of equal rows comes first
        self.hashes, first = np.unique(hashes[::-1], return_index=True)
        self.rows = len(hashes) - 1 - first
        self.table = table

    def of(self, shard: pa.Table) -> pa.Table:
        """One row for each row of `shard`, nulls where nothing is known.

        Rows are found by hash alone, so the caller must compare path and span.
        """
        wanted = _hashes(shard)
        places = np.searchsorted(self.hashes, wanted)
        inside = np.minimum(places, max(0, len(self.hashes) - 1))
        absent = (
            np.ones(len(wanted), bool) if not len(self.hashes) else self.hashes[inside] != wanted
        )
        rows = np.zeros(len(wanted), np.int64) if not len(self.hashes) else self.rows[inside]
        return self.table.take(pa.array(rows, mask=absent))


def _hashes(table: pa.Table) -> np.ndarray:
    return _row_hashes(table.select(["path", "start", "end"]))


def _row_hashes(table: pa.Table) -> np.ndarray:
    """A hash of each row, uint64."""
    blocks = [
        pd.util.hash_pandas_object(batch.to_pandas(), index=False).to_numpy()
        for batch in table.to_batches(65536)
    ]
    return np.concatenate([np.zeros(0, np.uint64), *blocks])


def _content(table: pa.Table) -> bytes:
    """What the digest of a ledger is computed from, the same however the rows are divided."""
    for place, field in enumerate(table.schema):
        # pandas would make floats of integers where one of a block is missing
        if pa.types.is_integer(field.type):
            filled = pc.fill_null(table.column(place), -1)
            table = table.set_column(place, field, filled)
    return _row_hashes(table).tobytes()


def is_edited(ledger: Path) -> bool:
    """Whether the rows of a ledger are not those that a check wrote.

    Raises:
        UserError: the file is not a ledger.
    """
    content = _content(read_ledger(ledger).select(SCHEMA.names))
    stated = (pq.read_metadata(ledger).metadata or {}).get(b"rows_sha256", b"")
    return hashlib.sha256(content).hexdigest().encode() != stated


def gather(out: Path, parts: Path, modality: Modality) -> pa.Table:
    """Read the rows of a ledger and of an interrupted check, if both are of this modality.

    The latter are merged into one file, so that another interruption loses nothing.

    Args:
        out: the ledger, which may be missing.
        parts: the folder of an interrupted check.
        modality: what the clips must have.

    Raises:
        UserError: a file is not a ledger.
    """
    gathered = parts / "known.parquet"
    tables = [SCHEMA.empty_table()]
    for path in (out, gathered):
        if path.is_file():
            table = read_ledger(path)
            other = _other_check(table, modality)
            if other:
                print(f"{path}: made {other}; all clips are checked again")
            elif path == out and is_edited(out):
                print(f"{path}: edited after it was written; all clips are checked again")
            else:
                tables.append(table.cast(SCHEMA))
    finished = sorted(parts.glob("[0-9]*.parquet"))
    for path in finished:
        try:
            table = pq.read_table(path)
            other = _other_check(table, modality)
            if other:
                print(f"{path}: made {other}; its clips are checked again")
            else:
                tables.append(table.cast(SCHEMA))
        except (pa.ArrowException, OSError):
            print(f"{path}: damaged by an interruption; its clips are checked again")
    table = pa.concat_tables(tables).combine_chunks()
    if finished:
        write_rows(table, gathered, modality)
    for path in [*finished, *parts.glob("*.tmp")]:
        path.unlink()
    return table


def _other_check(table: pa.Table, modality: Modality) -> str:
    """By which other check rows were made, in words; empty for none."""
    made = table.schema.metadata or {}
    stated = made.get(b"modality", b"").decode()
    if made.get(b"probe") != PROBE.encode() or not stated:
        return "by another version of the check"
    return "" if stated == modality else f"for modality {stated} and not for {modality}"


def write_rows(table: pa.Table, path: Path, modality: Modality) -> None:
    """Write rows of the ledger atomically.

    Raises:
        UserError: the file cannot be written.
    """
    with whole_file(path) as temporary:
        kept = {"probe": PROBE, "modality": modality}
        pq.write_table(table.replace_schema_metadata(kept), temporary)


def merge(parts: Path, out: Path, digest: str, modality: Modality) -> None:
    """Write the ledger from the files of the tasks, in blocks, and remove these.

    Args:
        parts: folder of the tasks' files.
        out: the ledger.
        digest: SHA-256 of the manifest, kept in the metadata of the ledger.
        modality: what the clips must have, kept there too.

    Raises:
        UserError: the ledger cannot be written.
    """
    paths = sorted(parts.glob("[0-9]*.parquet"))
    made = {"probe": PROBE, "modality": modality, "manifest_sha256": digest}
    schema = SCHEMA.with_metadata(made)
    with whole_file(out) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        content = hashlib.sha256()
        for first in range(0, len(paths), 256):
            parts_read = [pq.read_table(path).cast(SCHEMA) for path in paths[first : first + 256]]
            block = pa.concat_tables(parts_read)
            content.update(_content(block))
            writer.write_table(block)
        writer.add_key_value_metadata({"rows_sha256": content.hexdigest()})
    shutil.rmtree(parts)


def first_line(error: Exception) -> str:
    """The first line of an error's message, or the name of its type."""
    return (str(error).splitlines() or [type(error).__name__])[0]
