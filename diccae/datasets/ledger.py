"""The ledger: what every clip of a manifest is worth, found out by decoding it as training does; kept, so that nothing is decoded twice for it."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from diccae.datasets.media import MediaError, MediaFacts, decode_clip, describe
from diccae.structures import UserError

# results of another version of the probe are not taken over
PROBE = "1"
SHARD = 64
STATUSES = ("ok", "still", "short", "silent", "no_audio", "no_video", "unreadable", "missing")
# frames that are compared, at a height at which the noise of coding averages out: they differ where a pixel of 255 changes by more than NOISE
PROBE_FRAMES = 8
PROBE_HEIGHT = 16
NOISE = 12
# seconds by which picture or sound may end before the span: cutting is exact to a packet or a group of pictures at best
TOLERANCE = 0.5

NAMES = pa.schema([("id", pa.string()), ("path", pa.string()), ("start", pa.float64()), ("end", pa.float64())])
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
        ("bytes", pa.int64()),
        ("mtime_ns", pa.int64()),
    ]
)
UNKNOWN = MediaFacts(float("nan"), 0, 0)


@dataclass(frozen=True)
class Summary:
    """Counts of clips, also by status; the ten most common reasons why a clip is not used, with their counts."""

    listed: int
    found: int
    readable: int
    with_sound: int
    used: int
    statuses: dict[str, int]
    reasons: dict[str, int]


@dataclass(frozen=True)
class Effort:
    """How many clips were probed, and the seconds that processes spent on it."""

    probed: int
    seconds: float


def probe_clip(path: Path | str, start: float = 0.0, end: float | None = None) -> dict[str, object]:
    """The ledger's columns of one clip, but for its names: decodes the span as training does.

    `usable` is whether `decode_clip` takes it: a clip that is still, or short by less than half, is usable.
    """
    facts, row = UNKNOWN, {"video_end": np.nan, "audio_end": np.nan, "peak": np.nan}
    try:
        facts = describe(path)
        height = PROBE_HEIGHT
        width = max(1, round(height * facts.width / facts.height)) if facts.height else height
        clip = decode_clip(path, start=start, end=end, num_frames=PROBE_FRAMES, size=(height, width))
    except MediaError as error:
        status, reason = _classify(error, facts)
        return asdict(facts) | row | {"status": status, "usable": False, "reason": f"{status}: {reason}"}
    except (MemoryError, OverflowError, cv2.error) as error:
        reason = f"unreadable: decoding it ends in {type(error).__name__}"
        return asdict(facts) | row | {"status": "unreadable", "usable": False, "reason": reason}
    row |= {"video_end": clip.video_end, "audio_end": clip.audio_end, "peak": np.abs(clip.audio).max()}
    frames = clip.frames.astype(np.int16)
    status, reason = "ok", ""
    if end is not None and min(clip.video_end, clip.audio_end) < end - TOLERANCE:
        what = "picture" if clip.video_end < clip.audio_end else "sound"
        status, reason = "short", f"short: its {what} ends before its span, but lasts for half of it"
    elif np.abs(frames - frames[:1]).max() <= NOISE:
        status, reason = "still", "still: its picture does not change"
    return asdict(facts) | row | {"status": status, "usable": True, "reason": reason}


def _classify(error: MediaError, facts: MediaFacts) -> tuple[str, str]:
    """Status, and a reason without numbers, which can be counted."""
    if error.reason == "truncated":
        return "short", "its picture or its sound ends before half of its span"
    if error.reason == "no_video" and facts.video_streams:
        return "short", "its picture ends before its span begins"
    if error.reason == "no_audio" and facts.audio_streams:
        return "short", "its sound ends before its span begins"
    status = {"empty": "unreadable", "empty_span": "unreadable"}.get(error.reason, error.reason)
    return status, "the span in the manifest is empty" if error.reason == "empty_span" else error.words


def check(manifest: Path, out: Path, *, jobs: int, progress: bool = True) -> Effort:
    """Probe the clips of a manifest that are new or whose file changed (its size or its time), and write the ledger, one row a clip in its order.

    Paths in the manifest are relative to its folder. What is done is kept in `<out>.parts` until the ledger is written: a run that was killed goes on.

    Raises:
        UserError: the manifest or the ledger is missing a column or is not a parquet file, or the ledger cannot be written.
    """
    if not manifest.is_file():
        raise UserError(f"{manifest}: there is no manifest; make one with `diccae data lists`, or give another path")
    parts = out.with_name(out.name + ".parts")
    try:
        parts.mkdir(parents=True, exist_ok=True)
        known = _Known(_gather(out, parts))
        rows, probed, seconds = _rows(manifest), 0, 0.0
        with tqdm(total=rows, desc="checking", unit="clip", disable=not progress, mininterval=1) as bar:
            for done in _run(_tasks(manifest, known, parts), jobs):
                probed, seconds = probed + done.probed, seconds + done.seconds
                bar.update(done.rows)
        _merge(parts, out, hashlib.sha256(manifest.read_bytes()).hexdigest())
    except pa.ArrowException as error:
        raise UserError(f"{manifest}: {_first_line(error)}; make the manifest again with `diccae data lists`") from None
    except OSError as error:
        raise UserError(
            f"{out}: it cannot be written ({error.strerror or error}); mend that and run the command again, what is done is kept"
        ) from None
    return Effort(probed, seconds)


def summarise(ledger: Path) -> Summary:
    """Counts of a ledger.

    Raises:
        UserError: there is no ledger, or the file is not one.
    """
    table = _read(ledger, ["status", "usable", "reason", "audio_streams"])
    status, usable = table["status"], table["usable"]
    found = pc.not_equal(status, "missing")
    readable = pc.and_(found, pc.not_equal(status, "unreadable"))
    sound = pc.and_(pc.greater(table["audio_streams"], 0), pc.not_equal(status, "silent"))
    return Summary(
        listed=len(table),
        found=_count(found),
        readable=_count(readable),
        with_sound=_count(pc.and_(readable, sound)),
        used=_count(usable),
        statuses=_most_common(status, len(STATUSES)),
        reasons=_most_common(table.filter(pc.invert(usable))["reason"], 10),
    )


def refuse(ledger: Path, max_unusable: float) -> None:
    """Let a ledger pass of whose clips at most the share `max_unusable` is unusable.

    Raises:
        UserError: more is unusable, or nothing is left (names the ten most common reasons); or there is no ledger.
    """
    counts = summarise(ledger)
    bad = counts.listed - counts.used
    if bad > max_unusable * counts.listed or counts.used == 0:
        reasons = "; ".join(f"{count} {reason}" for reason, count in counts.reasons.items())
        share = bad / max(1, counts.listed)
        raise UserError(
            f"{ledger}: {bad} of {counts.listed} clips ({share:.1%}) cannot be used, {max_unusable:.1%} are allowed: {reasons or 'it lists no clip'}. "
            "Mend the files and run `diccae data check` again, take their rows out of the manifest, or allow more"
        )


def _count(mask: pa.ChunkedArray) -> int:
    return pc.sum(mask).as_py() or 0


def _most_common(values: pa.ChunkedArray, most: int) -> dict[str, int]:
    counts = [(entry["values"], entry["counts"]) for entry in pc.value_counts(values).to_pylist()]
    return dict(sorted(counts, key=lambda entry: (-entry[1], entry[0]))[:most])


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _read(ledger: Path, columns: list[str] | None = None) -> pa.Table:
    if not ledger.is_file():
        raise UserError(f"{ledger}: there is no ledger; run `diccae data check` first")
    try:
        table = pq.read_table(ledger, columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{ledger}: it is not a ledger ({_first_line(error)}); remove it or give another path"
        ) from None
    if set(columns or SCHEMA.names) - set(table.column_names):
        raise UserError(f"{ledger}: it is not a ledger, columns are missing; remove it or give another path")
    return table


# what is known from before


class _Known:
    """Rows of former runs, found by path and span through a sorted array of hashes: no object a clip."""

    def __init__(self, table: pa.Table) -> None:
        hashes = _hashes(table)
        # of rows with one name the last is the newest
        self.hashes, first = np.unique(hashes[::-1], return_index=True)
        self.rows = len(hashes) - 1 - first
        self.table = table

    def of(self, shard: pa.Table) -> pa.Table:
        """A row for each row of the shard, of nulls where nothing is known; equal hashes are the caller's to tell apart."""
        wanted = _hashes(shard)
        places = np.searchsorted(self.hashes, wanted)
        inside = np.minimum(places, max(0, len(self.hashes) - 1))
        absent = np.ones(len(wanted), bool) if not len(self.hashes) else self.hashes[inside] != wanted
        rows = np.zeros(len(wanted), np.int64) if not len(self.hashes) else self.rows[inside]
        return self.table.take(pa.array(rows, mask=absent))


def _hashes(table: pa.Table) -> np.ndarray:
    named = table.select(["path", "start", "end"])
    blocks = [
        pd.util.hash_pandas_object(batch.to_pandas(), index=False).to_numpy() for batch in named.to_batches(65536)
    ]
    return np.concatenate([np.zeros(0, np.uint64), *blocks])


def _gather(out: Path, parts: Path) -> pa.Table:
    """Rows of the ledger and of an interrupted run; the latter as one file, so that a run that is killed again loses none."""
    gathered = parts / "known.parquet"
    tables = [SCHEMA.empty_table()]
    for path in (out, gathered):
        if path.is_file():
            table = _read(path)
            if (table.schema.metadata or {}).get(b"probe") == PROBE.encode():
                tables.append(table.cast(SCHEMA))
            else:
                print(f"{path}: made by another version of the probe; all its clips are checked again")
    finished = sorted(parts.glob("[0-9]*.parquet"))
    for path in finished:
        try:
            tables.append(pq.read_table(path).cast(SCHEMA))
        except (pa.ArrowException, OSError):
            print(f"{path}: a damaged part of an interrupted run; its clips are checked again")
    table = pa.concat_tables(tables).combine_chunks()
    if finished:
        _write(table, gathered)
    for path in [*finished, *parts.glob("*.tmp")]:
        path.unlink()
    return table


def _write(table: pa.Table, path: Path) -> None:
    temporary = path.with_name(path.name + ".tmp")
    pq.write_table(table.replace_schema_metadata({"probe": PROBE}), temporary)
    os.replace(temporary, path)


def _merge(parts: Path, out: Path, digest: str) -> None:
    temporary = out.with_name(out.name + ".tmp")
    paths = sorted(parts.glob("[0-9]*.parquet"))
    with pq.ParquetWriter(temporary, SCHEMA.with_metadata({"probe": PROBE, "manifest_sha256": digest})) as writer:
        for first in range(0, len(paths), 256):
            block = [pq.read_table(path).cast(SCHEMA) for path in paths[first : first + 256]]
            writer.write_table(pa.concat_tables(block))
    os.replace(temporary, out)
    shutil.rmtree(parts)


# the work


@dataclass(frozen=True)
class _Task:
    """A shard of the manifest, what is known of each of its rows, the folder of the manifest, and the file for the shard's rows."""

    shard: pa.Table
    known: pa.Table
    root: str
    part: str


@dataclass(frozen=True)
class _Done:
    rows: int
    probed: int
    seconds: float


def _rows(manifest: Path) -> int:
    with pq.ParquetFile(manifest) as listed:
        missing = sorted(set(NAMES.names) - set(listed.schema_arrow.names))
        if missing:
            raise UserError(
                f"{manifest}: a manifest has the columns {', '.join(NAMES.names)}, this one lacks {', '.join(missing)}; "
                "make it with `diccae data lists`"
            )
        return listed.metadata.num_rows


def _tasks(manifest: Path, known: _Known, parts: Path) -> Iterator[_Task]:
    root = str(manifest.absolute().parent)
    with pq.ParquetFile(manifest) as listed:
        for number, batch in enumerate(listed.iter_batches(batch_size=SHARD, columns=NAMES.names)):
            # through pandas: a time that is not a number, or has no end, becomes null
            frame = batch.to_pandas().replace({"start": {-np.inf: np.nan}, "end": {np.inf: np.nan}})
            if frame[["id", "path"]].isna().any(axis=None):
                row = number * SHARD + int(frame[["id", "path"]].isna().any(axis=1).to_numpy().argmax())
                raise UserError(f"{manifest}: row {row} (from 0) lacks its id or its path; fill it in or take it out")
            shard = pa.Table.from_pandas(frame, NAMES, preserve_index=False)
            yield _Task(shard, known.of(shard), root, str(parts / f"{number:07d}.parquet"))


def _run(tasks: Iterator[_Task], jobs: int) -> Iterator[_Done]:
    """Work on shards in processes, with few in waiting; a process that dies takes its clip with it, not the run."""
    waiting: dict[Future[_Done], _Task] = {}
    pool = _pool(jobs)
    try:
        while True:
            died: list[_Task] = []
            while not died and len(waiting) < 2 * jobs and (task := next(tasks, None)) is not None:
                try:
                    waiting[pool.submit(_work, task)] = task
                except BrokenProcessPool:
                    died.append(task)
            if not waiting and not died:
                return
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                task = waiting.pop(future)
                if isinstance(future.exception(), BrokenProcessPool):
                    died.append(task)
                else:
                    yield future.result()
            if died:
                # one death ends the whole pool, and nobody knows whose clip it was
                pool.shutdown()
                died += waiting.values()
                waiting.clear()
                for task in died:
                    yield _work(task, alone=True)
                pool = _pool(jobs)
    finally:
        pool.shutdown(cancel_futures=True)


def _pool(jobs: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin)


def _begin() -> None:
    cv2.setNumThreads(1)
    parent = multiprocessing.parent_process()

    # a parent that was killed cannot end its processes, and they would write into the next run
    if parent is not None:

        def end_with_parent() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=end_with_parent, daemon=True).start()


def _work(task: _Task, alone: bool = False) -> _Done:
    """Probe what is new or changed in a shard, each clip in a process of its own if `alone`, and write the shard's rows."""
    rows, probed, seconds = [], 0, 0.0
    for names, known in zip(task.shard.to_pylist(), task.known.to_pylist(), strict=True):
        path = Path(task.root, names["path"])
        stamp = _stamp(path)
        # a clip may have got another name; equal hashes of another path or span are told apart here
        now = names | stamp
        if all(known[name] == now[name] for name in ("path", "start", "end", "bytes", "mtime_ns")):
            rows.append(known | names)
            continue
        started = time.perf_counter()
        span = path, names["start"] or 0.0, names["end"]
        rows.append(now | (_probe_alone(*span) if alone else probe_clip(*span)))
        probed, seconds = probed + 1, seconds + time.perf_counter() - started
    _write(pa.Table.from_pylist(rows, SCHEMA), Path(task.part))
    return _Done(len(rows), probed, seconds)


def _probe_alone(path: Path, start: float, end: float | None) -> dict[str, object]:
    with _pool(1) as pool:
        try:
            return pool.submit(probe_clip, path, start, end).result()
        except BrokenProcessPool:
            reason = "unreadable: its decoder crashed or ran out of memory"
            # without the file's time: it is tried again in the next run
            return asdict(UNKNOWN) | {"status": "unreadable", "usable": False, "reason": reason, "mtime_ns": None}


def _stamp(path: Path) -> dict[str, int]:
    try:
        found = path.stat()
    except OSError:
        return {"bytes": -1, "mtime_ns": -1}
    return {"bytes": found.st_size, "mtime_ns": found.st_mtime_ns}
