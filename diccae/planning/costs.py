"""Hours, disk and wall time of a plan, from what its runs compute and what a clip costs."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from diccae.planning.calibration import Calibration, Kind, kind_of
from diccae.planning.work import Work
from diccae.plans import Plan
from diccae.run_graph import Run
from diccae.settings import plan_settings

FLOAT = 4
# a checkpoint holds weights and Adam's two moments; two are kept a run
CHECKPOINTS, CHECKPOINT_COPIES = 2, 3
# a scored clip and view in predictions.parquet, a clip in assignments.npz: measured on the embedded
# benchmark, rounded up
PREDICTION_BYTES, ASSIGNMENT_BYTES = 40, 80
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Disk:
    """Bytes of the clip cache (`cache_stored` is what it would take if clips were stored), of
    weights and tables of all runs, and of what runs at work need at once."""

    cache: int
    cache_stored: int
    weights: int
    tables: int
    working: int

    @property
    def total(self) -> int:
        return self.cache + self.weights + self.tables + self.working


def run_seconds(run: Run, work: Work, calibration: Calibration) -> float:
    """Seconds of one run on one device; where workers load clips, the slower of the two."""
    settings = run.settings
    loading = calibration.loading
    waits = 0.0 if loading is None else loading.seconds / max(1, settings.schedule.num_workers)
    speed = calibration.speeds[kind_of(run)]
    seconds = work.trained * max(speed.train.seconds, waits) + work.embedded * max(
        speed.embed.seconds, waits
    )
    if speed.predict is not None:
        seconds += work.scored * max(speed.predict.seconds, waits)
    if not work.clustered:
        return seconds
    # a stage that does not start from clusters sees the features of both modalities side by side
    use = settings.system.data(run.spec, settings.choices, settings.schedule.stages[run.stage])
    width = settings.base["embedding_dim"] * (1 if use.clusters else 2)
    restarts = settings.system.clusters(settings.choices)["restarts"]
    return seconds + work.clustered * restarts * width * calibration.kmeans


def wall_seconds(
    seconds: Mapping[Key, float], waits_for: Mapping[Key, Sequence[Key]], devices: int
) -> float:
    """When the last job ends if each takes one of `devices` devices as soon as what it waits for is
    done.

    Args:
        seconds: of each job, in the order in which jobs that are ready start.
        waits_for: jobs that must be done first.
        devices: that work side by side.
    """
    place = {job: number for number, job in enumerate(seconds)}
    followers: dict[Key, list[Key]] = {job: [] for job in seconds}
    for job in seconds:
        for first in waits_for[job]:
            followers[first].append(job)
    waiting = {job: len(waits_for[job]) for job in seconds}
    ready = [(place[job], job) for job in seconds if not waiting[job]]
    heapq.heapify(ready)
    working: list[tuple[float, int, Key]] = []
    now = 0.0
    while ready or working:
        while ready and len(working) < devices:
            number, job = heapq.heappop(ready)
            heapq.heappush(working, (now + seconds[job], number, job))
        now, _, job = heapq.heappop(working)
        for follower in followers[job]:
            waiting[follower] -= 1
            if not waiting[follower]:
                heapq.heappush(ready, (place[follower], follower))
    return now


def disk(
    plan: Plan,
    clips: int,
    work: dict[Run, Work],
    parameters: dict[Kind, int],
    devices: int,
) -> Disk:
    """What the plan writes; `parameters` are those of the models by kind of run (`kind_of`)."""
    cache = plan_settings(plan)["cache"]
    stored = clips * (
        3 * cache["num_frames"] * cache["frame_size"] ** 2
        + 2 * cache["n_mels"] * cache["fbank_frames"]
    )
    sizes = {run: FLOAT * parameters[kind_of(run)] for run in work}
    at_once = sorted(sizes.values(), reverse=True)[:devices]
    return Disk(
        cache=0 if cache.get("mode", "stored") == "live" else stored,
        cache_stored=stored,
        weights=sum(sizes.values()),
        # one view and all views of a scored clip
        tables=sum(
            2 * PREDICTION_BYTES * amount.scored
            + (ASSIGNMENT_BYTES * amount.epoch if amount.clustered else 0)
            for amount in work.values()
        ),
        # a run at work keeps checkpoints, and a second copy of its weights until its job ends
        working=sum((CHECKPOINTS * CHECKPOINT_COPIES + 1) * size for size in at_once),
    )
