"""Work that is divided among processes: order, and a process that dies."""

from __future__ import annotations

import os
import signal
from contextlib import closing

import pytest

from diccae.datasets.worker_pool import in_processes
from diccae.errors import UserError


def square(number: int) -> int:
    return number**2


def killed_at_five(number: int) -> int:
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_are_in_the_order_of_the_tasks(jobs: int) -> None:
    with closing(in_processes(square, range(30), jobs)) as results:
        assert list(results) == [number**2 for number in range(30)]


def test_a_process_that_is_killed_is_an_error_and_no_endless_wait() -> None:
    results = in_processes(killed_at_five, range(30), 2)
    with pytest.raises(UserError, match="a process that works on clips died; .*a smaller --jobs"):
        list(results)
