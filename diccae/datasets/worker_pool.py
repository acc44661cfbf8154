"""Processes that render or decode clips."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from diccae.errors import UserError

Task = TypeVar("Task")
Result = TypeVar("Result")


def in_processes(
    function: Callable[[Task], Result], tasks: Sequence[Task], jobs: int
) -> Generator[Result, None, None]:
    """The results of `function` for tasks, in their order, computed in at most `jobs` fresh
    processes; in this process where one is enough.

    The processes ignore Ctrl-C, so that only the main process, which ends them, reports it. Close
    the iterator to end them.

    Raises:
        UserError: a process died.
    """
    jobs = min(jobs, len(tasks))
    if jobs < 2:
        yield from map(function, tasks)
        return
    others = multiprocessing.active_children()
    pool = ProcessPoolExecutor(
        jobs, multiprocessing.get_context("spawn"), initializer=end_with_parent
    )
    left, running = deque(tasks), deque[Future[Result]]()
    try:
        while left or running:
            # no more at a time, since results wait in memory for that of an earlier task
            while left and len(running) < 4 * jobs:
                running.append(_submit(pool, function, left.popleft()))
            yield running[0].result()
            running.popleft()
    except BrokenProcessPool:
        raise UserError(
            "a process that works on clips died; the system ends processes where memory runs out: "
            "run the same command again with a smaller --jobs, finished work is kept. If it dies "
            "again, `diccae data check` names the file that its decoder crashes on"
        ) from None
    finally:
        # those of a work that ends early are not waited for
        for process in multiprocessing.active_children() if running else ():
            if process not in others:
                process.terminate()
        pool.shutdown(cancel_futures=True)


def _submit(
    pool: ProcessPoolExecutor, function: Callable[[Task], Result], task: Task
) -> Future[Result]:
    # processes that are started now inherit it, so that it holds while they import modules too
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return pool.submit(function, task)
    finally:
        signal.signal(signal.SIGINT, previous)


def end_with_parent() -> None:
    """End this process when its parent has ended: a parent that is killed cannot end it, and it
    would write into the next run."""
    parent = multiprocessing.parent_process()
    if parent is not None:

        def wait() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=wait, daemon=True).start()
