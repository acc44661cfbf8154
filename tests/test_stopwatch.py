from __future__ import annotations

import subprocess
import sys
import time

from diccae.stopwatch import Stopwatch


def test_a_wait_costs_no_cpu_and_an_ended_child_does() -> None:
    watch = Stopwatch()
    time.sleep(0.3)
    assert watch.wall() >= 0.3
    assert watch.cpu() < 0.3
    busy = "import time\nwhile time.process_time() < 0.5: pass"
    subprocess.run([sys.executable, "-c", busy], check=True)
    assert watch.cpu() >= 0.45
