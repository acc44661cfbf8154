"""The processes that decode clips for the ledger."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from diccae.datasets.clip_files import clip_path, digest_of, stamp
from diccae.datasets.ledger_files import NAMES, SCHEMA, Known, write_rows
from diccae.datasets.probe import UNKNOWN, probe_clip
from diccae.datasets.worker_pool import end_with_parent
from diccae.errors import UserError
from diccae.sections import Modality

SHARD = 64


@dataclass(frozen=True)
class Task:
    """A part of the manifest to check.

    Attributes:
        shard: rows of the manifest.
        known: what earlier checks found for each row; null where they found nothing.
        root: folder of the manifest.
        part: file to which the rows of the ledger are written.
        modality: what each clip must have.
    """

    shard: pa.Table
    known: pa.Table
    root: str
    part: str
    modality: Modality


@dataclass(frozen=True)
class Done:
    """A finished task: its rows, how many were decoded, and the seconds that this took."""

    rows: int
    probed: int
    seconds: float


def count_rows(manifest: Path) -> int:
    """Number of clips of a manifest.

    Raises:
        UserError: it lacks a column.
    """
    with pq.ParquetFile(manifest) as listed:
        missing = sorted(set(NAMES.names) - set(listed.schema_arrow.names))
        if missing:
            raise UserError(
                f"{manifest}: wanted the columns {', '.join(NAMES.names)}, "
                f"{', '.join(missing)} missing; make it with `diccae data lists`"
            )
        return listed.metadata.num_rows


def make_tasks(manifest: Path, known: Known, parts: Path, modality: Modality) -> Iterator[Task]:
    """Split a manifest into tasks of SHARD clips.

    Raises:
        UserError: a row lacks its id or its path.
    """
    root = str(manifest.absolute().parent)
    with pq.ParquetFile(manifest) as listed:
        for number, batch in enumerate(listed.iter_batches(batch_size=SHARD, columns=NAMES.names)):
            # through pandas: a time that is NaN or infinite becomes null
            frame = batch.to_pandas().replace({"start": {-np.inf: np.nan}, "end": {np.inf: np.nan}})
            if frame[["id", "path"]].isna().any(axis=None):
                row = number * SHARD + int(
                    frame[["id", "path"]].isna().any(axis=1).to_numpy().argmax()
                )
                raise UserError(
                    f"{manifest}: row {row} (from 0) lacks its id or its path; "
                    "fill it in or remove the row"
                )
            shard = pa.Table.from_pandas(frame, NAMES, preserve_index=False)
            part = str(parts / f"{number:07d}.parquet")
            yield Task(shard, known.of(shard), root, part, modality)


def run_tasks(tasks: Iterator[Task], jobs: int) -> Iterator[Done]:
    """Run tasks in `jobs` processes, at most 2 x `jobs` at a time.

    A clip on which its process dies is recorded as unreadable, and the run continues.
    """
    waiting: dict[Future[Done], Task] = {}
    pool = _pool(jobs)
    try:
        while True:
            died: list[Task] = []
            while not died and len(waiting) < 2 * jobs and (task := next(tasks, None)) is not None:
                try:
                    waiting[pool.submit(run_task, task)] = task
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
                # one death ends the whole pool, and it is unknown which clip caused it
                pool.shutdown()
                died += waiting.values()
                waiting.clear()
                for task in died:
                    yield run_task(task, isolated=True)
                pool = _pool(jobs)
    finally:
        pool.shutdown(cancel_futures=True)


def _pool(jobs: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return ProcessPoolExecutor(jobs, mp_context=context, initializer=_start_worker)


def _start_worker() -> None:
    cv2.setNumThreads(1)
    end_with_parent()


def run_task(task: Task, isolated: bool = False) -> Done:
    """Decode the clips of a task that are new or changed, and write the rows of the ledger.

    Args:
        task: the task.
        isolated: whether to decode each clip in a process of its own.
    """
    rows, probed, seconds = [], 0, 0.0
    for names, known in zip(task.shard.to_pylist(), task.known.to_pylist(), strict=True):
        path = clip_path(task.root, names["path"])
        found = stamp(path)
        now = names | found._asdict()
        # equal hashes of another path or span are rejected here; the id may differ (a renamed clip)
        if all(known[name] == now[name] for name in ("path", "start", "end")) and (
            found == (known["bytes"], known["mtime_ns"])
            # a copy of a folder has other times and the same bytes
            or (known["sha256"] and known["sha256"] == digest_of(str(path), found))
        ):
            rows.append(known | now)
            continue
        started = time.perf_counter()
        span = path, names["start"] or 0.0, names["end"], task.modality
        now["sha256"] = digest_of(str(path), found)
        rows.append(now | (_probe_isolated(*span) if isolated else probe_clip(*span)))
        probed, seconds = probed + 1, seconds + time.perf_counter() - started
    write_rows(pa.Table.from_pylist(rows, SCHEMA), Path(task.part), task.modality)
    return Done(len(rows), probed, seconds)


def _probe_isolated(
    path: Path, start: float, end: float | None, modality: Modality
) -> dict[str, object]:
    with _pool(1) as pool:
        try:
            return pool.submit(probe_clip, path, start, end, modality).result()
        except BrokenProcessPool:
            reason = "unreadable: its decoder crashed or ran out of memory"
            # without time and digest, so that the next check tries it again
            return asdict(UNKNOWN) | {
                "status": "unreadable",
                "usable": False,
                "reason": reason,
                "mtime_ns": None,
                "sha256": "",
            }
