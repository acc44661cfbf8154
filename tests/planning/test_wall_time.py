"""Critical path and wall time of jobs, against numbers worked out by hand and Graham's bound."""

from __future__ import annotations

import numpy as np
import pytest

from diccae.planning.wall_time import critical_path, wall_seconds

# a diamond of 2 and 5 seconds behind a, with a late end
SECONDS = {"a": 1.0, "b": 2.0, "c": 5.0, "d": 3.0, "e": 4.0}
BEFORE = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"], "e": []}


def test_a_chain_is_no_faster_on_many_devices() -> None:
    seconds = {1: 3.0, 2: 4.0, 3: 5.0}
    before = {1: [], 2: [1], 3: [2]}
    assert [wall_seconds(seconds, before, n) for n in (1, 2, 100)] == [12, 12, 12]
    assert critical_path(seconds, before) == [1, 2, 3]


def test_independent_jobs_share_the_devices() -> None:
    seconds, before = dict.fromkeys(range(10), 2.0), {job: [] for job in range(10)}
    assert [wall_seconds(seconds, before, n) for n in (1, 3, 5, 10, 11)] == [20, 8, 4, 2, 2]
    assert len(critical_path(seconds, before)) == 1


def test_a_graph_by_hand() -> None:
    assert critical_path(SECONDS, BEFORE) == ["a", "c", "d"]
    assert wall_seconds(SECONDS, BEFORE, 1) == 15
    # e starts beside a; b, which is first in the order, takes the device of a, and c waits for it
    assert wall_seconds(SECONDS, BEFORE, 2) == 11
    assert wall_seconds(SECONDS, BEFORE, 3) == 9


def test_jobs_that_wait_for_others() -> None:
    seconds = {"first": 10.0, **dict.fromkeys("abcd", 4.0)}
    waits_for = {job: [] if job == "first" else ["first"] for job in seconds}
    assert wall_seconds(seconds, waits_for, 1) == 26
    assert wall_seconds(seconds, waits_for, 2) == 18
    assert wall_seconds(seconds, waits_for, 3) == 18
    assert wall_seconds(seconds, waits_for, 100) == 14
    assert wall_seconds({}, {}, 2) == 0
    assert critical_path({}, {}) == []


def test_a_job_elsewhere_takes_no_device() -> None:
    # e is done beside the others
    assert wall_seconds(SECONDS, BEFORE, 1, elsewhere={"e"}) == 11
    assert wall_seconds(SECONDS, BEFORE, 1, elsewhere=set(SECONDS)) == 9


def test_of_chains_that_take_equally_long_the_one_with_more_jobs_is_critical() -> None:
    seconds = {"a": 5.0, "b": 0.0, "c": 0.0, "d": 5.0}
    assert critical_path(seconds, {"a": [], "b": ["a"], "c": ["b"], "d": []}) == ["a", "b", "c"]


@pytest.mark.parametrize("seed", range(20))
def test_the_wall_time_is_within_grahams_bound(seed: int) -> None:
    rng = np.random.default_rng(seed)
    seconds = {job: float(time) for job, time in enumerate(rng.exponential(size=40))}
    before = {
        job: sorted(set(rng.integers(0, job, size=rng.integers(0, 3)).tolist())) if job else []
        for job in seconds
    }
    longest = sum(seconds[job] for job in critical_path(seconds, before))
    some = set(rng.choice(40, size=10, replace=False).tolist())
    for devices in (1, 2, 3, 8, 64):
        wall, total = wall_seconds(seconds, before, devices), sum(seconds.values())
        assert max(longest, total / devices) <= wall + 1e-9
        assert wall <= total / devices + (1 - 1 / devices) * longest + 1e-9
        wall = wall_seconds(seconds, before, devices, some)
        total = sum(time for job, time in seconds.items() if job not in some)
        assert max(longest, total / devices) - 1e-9 <= wall <= total / devices + longest + 1e-9
    assert wall_seconds(seconds, before, 64) == pytest.approx(longest)
