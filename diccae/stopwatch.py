"""Wall-clock and CPU seconds of a piece of work."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime


class Stopwatch:
    """Measures time from its construction on.

    CPU seconds are those of this process and of its child processes that have ended; unlike
    wall-clock seconds they do not grow when other programs share the machine.

    Attributes:
        started: the time of its construction.
    """

    def __init__(self) -> None:
        self.started = datetime.now(UTC)
        self._wall, self._cpu = time.perf_counter(), _cpu_seconds()

    def wall(self) -> float:
        """Wall-clock seconds since construction."""
        return time.perf_counter() - self._wall

    def cpu(self) -> float:
        """CPU seconds (user and system) since construction."""
        return _cpu_seconds() - self._cpu


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
