"""Wall time of jobs that wait for each other, on a number of devices, and their critical path."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)


def wall_seconds(
    seconds: Mapping[Key, float],
    waits_for: Mapping[Key, Sequence[Key]],
    devices: int,
    elsewhere: Collection[Key] = (),
) -> float:
    """Seconds until the last job ends, if each job starts as soon as a device is free and the jobs
    it waits for are done (list scheduling).

    This is at least the length of the critical path C and at least W / n, for jobs that take W
    seconds of n devices altogether. Where every job takes a device it is at most
    W / n + (1 - 1 / n) C (Graham, 1969), otherwise at most W / n + C.

    Args:
        seconds: duration of each job; jobs that are ready start in this order.
        waits_for: for each job, the jobs that must be done first.
        devices: number of jobs that run at the same time.
        elsewhere: the jobs that take no device, and so wait for other jobs alone.
    """
    place = {job: number for number, job in enumerate(seconds)}
    followers = _followers(seconds, waits_for)
    waiting = {job: len(waits_for[job]) for job in seconds}
    ready: list[tuple[int, Key]] = []
    working: list[tuple[float, int, Key]] = []
    now, free = 0.0, devices

    def admit(job: Key) -> None:
        if job in elsewhere:
            heapq.heappush(working, (now + seconds[job], place[job], job))
        else:
            heapq.heappush(ready, (place[job], job))

    for job in seconds:
        if not waiting[job]:
            admit(job)
    while ready or working:
        while ready and free:
            number, job = heapq.heappop(ready)
            heapq.heappush(working, (now + seconds[job], number, job))
            free -= 1
        now, _, job = heapq.heappop(working)
        free += job not in elsewhere
        for follower in followers[job]:
            waiting[follower] -= 1
            if not waiting[follower]:
                admit(follower)
    return now


def critical_path(
    seconds: Mapping[Key, float], waits_for: Mapping[Key, Sequence[Key]]
) -> list[Key]:
    """The chain of jobs, each of which waits for the one before it, that takes longest; of chains
    that take equally long, the one with more jobs. No number of devices is faster.

    Args:
        seconds: duration of each job.
        waits_for: for each job, the jobs that must be done first.
    """
    followers = _followers(seconds, waits_for)
    waiting = {job: len(waits_for[job]) for job in seconds}
    ready = [job for job in seconds if not waiting[job]]
    # of each job: end of the longest chain to it, its number of jobs, the job before it
    best: dict[Key, tuple[float, int, Key | None]] = {}
    for job in ready:  # grows while it is read
        before = max(waits_for[job], key=lambda first: best[first][:2], default=None)
        end, length = (0.0, 0) if before is None else best[before][:2]
        best[job] = (end + seconds[job], length + 1, before)
        for follower in followers[job]:
            waiting[follower] -= 1
            if not waiting[follower]:
                ready.append(follower)
    chain: list[Key] = []
    last = max(best, key=lambda job: best[job][:2], default=None)
    while last is not None:
        chain.append(last)
        last = best[last][2]
    return chain[::-1]


def _followers(
    jobs: Mapping[Key, float], waits_for: Mapping[Key, Sequence[Key]]
) -> dict[Key, list[Key]]:
    followers: dict[Key, list[Key]] = {job: [] for job in jobs}
    for job in jobs:
        for first in waits_for[job]:
            followers[first].append(job)
    return followers
