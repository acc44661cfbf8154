"""Wall and CPU seconds of a piece of work."""

from __future__ import annotations

import os
import time


class Stopwatch:
    """Counts from the moment it is made. CPU seconds are those of this process and of its children that have ended: they say what the work costs on a busy machine too."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), _cpu_seconds()

    def wall(self) -> float:
        return time.perf_counter() - self._wall

    def cpu(self) -> float:
        return _cpu_seconds() - self._cpu


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
