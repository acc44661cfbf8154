"""Processes that render or decode clips."""

from __future__ import annotations

import multiprocessing
import signal
from multiprocessing.pool import Pool


def worker_pool(jobs: int) -> Pool:
    """A pool of `jobs` fresh processes that ignore Ctrl-C, so that only the main process, which
    ends them, reports it."""
    # they inherit it, so that it holds while they import modules too
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return multiprocessing.get_context("spawn").Pool(jobs)
    finally:
        signal.signal(signal.SIGINT, previous)
