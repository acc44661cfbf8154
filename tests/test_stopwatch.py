from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from diccae import stopwatch
from diccae.stopwatch import Stopwatch


def test_wall_and_cpu_seconds_by_two_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    wall, cpu = [10.0, 13.0], [(1.0, 2.0, 4.0, 8.0, 10.0), (1.5, 2.25, 4.0, 8.125, 13.0)]
    clock = SimpleNamespace(perf_counter=lambda: wall.pop(0))
    system = SimpleNamespace(times=lambda: os.times_result(cpu.pop(0)))
    monkeypatch.setattr(stopwatch, "time", clock)
    monkeypatch.setattr(stopwatch, "os", system)
    watch = Stopwatch()
    assert watch.wall() == 3.0
    assert watch.cpu() == 0.5 + 0.25 + 0.125


def test_the_work_of_an_ended_child_counts() -> None:
    watch = Stopwatch()
    busy = "import time\nwhile time.process_time() < 0.5: pass"
    subprocess.run([sys.executable, "-c", busy], check=True)
    assert watch.cpu() >= 0.45
