"""The ledger: what every clip of a manifest is worth, found out by decoding it as training does; kept, so that nothing is decoded twice for it."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from diccae.datasets.ledger_files import (
    NAMES,
    SCHEMA,
    Known,
    first_line,
    gather,
    merge,
    read_ledger,
    write_rows,
)
from diccae.datasets.probe import UNKNOWN, probe_clip
from diccae.errors import UserError

SHARD = 64
STATUSES = ("ok", "still", "short", "silent", "no_audio", "no_video", "unreadable", "missing")


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


def check(manifest: Path, out: Path, *, jobs: int, progress: bool = True) -> Effort:
    """Probe the clips of a manifest that are new or whose file changed (its size or its time), and write the ledger, one row a clip in its order.

    Paths in the manifest are relative to its folder. What is done is kept in `<out>.parts` until the ledger is written: a run that was killed goes on.

    Raises:
        UserError: the manifest or the ledger is missing a column or is not a parquet file, or the ledger cannot be written.
    """
    if not manifest.is_file():
        raise UserError(
            f"{manifest}: there is no manifest; make one with `diccae data lists`, or give another path"
        )
    parts = out.with_name(out.name + ".parts")
    try:
        parts.mkdir(parents=True, exist_ok=True)
        known = Known(gather(out, parts))
        rows, probed, seconds = _rows(manifest), 0, 0.0
        with tqdm(
            total=rows, desc="checking", unit="clip", disable=not progress, mininterval=1
        ) as bar:
            for done in _run(_tasks(manifest, known, parts), jobs):
                probed, seconds = probed + done.probed, seconds + done.seconds
                bar.update(done.rows)
        merge(parts, out, hashlib.sha256(manifest.read_bytes()).hexdigest())
    except pa.ArrowException as error:
        raise UserError(
            f"{manifest}: {first_line(error)}; make the manifest again with `diccae data lists`"
        ) from None
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
    table = read_ledger(ledger, ["status", "usable", "reason", "audio_streams"])
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


def _tasks(manifest: Path, known: Known, parts: Path) -> Iterator[_Task]:
    root = str(manifest.absolute().parent)
    with pq.ParquetFile(manifest) as listed:
        for number, batch in enumerate(listed.iter_batches(batch_size=SHARD, columns=NAMES.names)):
            # through pandas: a time that is not a number, or has no end, becomes null
            frame = batch.to_pandas().replace({"start": {-np.inf: np.nan}, "end": {np.inf: np.nan}})
            if frame[["id", "path"]].isna().any(axis=None):
                row = number * SHARD + int(
                    frame[["id", "path"]].isna().any(axis=1).to_numpy().argmax()
                )
                raise UserError(
                    f"{manifest}: row {row} (from 0) lacks its id or its path; fill it in or take it out"
                )
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
    write_rows(pa.Table.from_pylist(rows, SCHEMA), Path(task.part))
    return _Done(len(rows), probed, seconds)


def _probe_alone(path: Path, start: float, end: float | None) -> dict[str, object]:
    with _pool(1) as pool:
        try:
            return pool.submit(probe_clip, path, start, end).result()
        except BrokenProcessPool:
            reason = "unreadable: its decoder crashed or ran out of memory"
            # without the file's time: it is tried again in the next run
            return asdict(UNKNOWN) | {
                "status": "unreadable",
                "usable": False,
                "reason": reason,
                "mtime_ns": None,
            }


def _stamp(path: Path) -> dict[str, int]:
    try:
        found = path.stat()
    except OSError:
        return {"bytes": -1, "mtime_ns": -1}
    return {"bytes": found.st_size, "mtime_ns": found.st_mtime_ns}
