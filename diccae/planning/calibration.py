"""Time per clip on this machine: training steps of each kind of run on synthetic clips."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from mmengine.registry import DefaultScope

from diccae import registry  # noqa: F401
from diccae.engine.records import hardware
from diccae.planning.bench import Bench, time_kmeans, time_loading
from diccae.planning.speeds import Calibration, Kind, Speed, kind_of, kinds
from diccae.planning.synthetic_clips import write_synthetic_cache
from diccae.plans import Plan
from diccae.schedule import Schedule
from diccae.settings import plan_settings
from diccae.validation import checked

SECONDS = 60.0


def calibrate(
    plan: Plan, seconds: float = SECONDS, report: Callable[[str], None] = lambda name: None
) -> Calibration:
    """Time every kind of run of a plan.

    On a CPU a single thread is used, as in the jobs of the workflow, and single precision.

    Args:
        plan: a checked plan.
        seconds: time to spend altogether; at least one step of each kind is timed.
        report: called with the name of each kind before it is timed.
    """
    started = time.perf_counter()
    gpu = torch.cuda.is_available()
    device = torch.device("cuda" if gpu else "cpu")
    schedule = checked(Schedule, plan_settings(plan)["schedule"], f"plan {plan.name}, schedule")
    runs = kinds(plan)
    # three timings of a scored run, two of another, one for K-means
    share = seconds / (sum(3 if run.spec.scored else 2 for run in runs) + 1)
    speeds: dict[Kind, Speed] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        _one_thread(),
        DefaultScope.overwrite_default_scope("mmaction"),
    ):
        cache = write_synthetic_cache(plan, runs, Path(folder) / "cache")
        for run in runs:
            report(str(kind_of(run)))
            bench = Bench(run, cache, device, load=schedule.num_workers == 0)
            speeds[kind_of(run)] = bench.speed(share)
            del bench
        loading, loading_remarks = time_loading(runs[0], cache, schedule.num_workers, share)
    clustered = next(
        (run for run in runs if run.settings.system.clusters(run.settings.choices)), None
    )
    per_clip = 0.0
    if clustered is not None:
        report("K-means")
        per_clip = time_kmeans(clustered, gpu)
    return Calibration(
        device=torch.cuda.get_device_name() if gpu else f"one core of {hardware()['cpu']}",
        gpu=gpu,
        seconds=time.perf_counter() - started,
        speeds=speeds,
        kmeans=per_clip,
        loading=loading,
        remarks=[*_remarks(speeds, schedule), *loading_remarks],
    )


def _remarks(speeds: dict[Kind, Speed], schedule: Schedule) -> list[str]:
    """How the timed steps differ from those of a real run."""
    timings = [
        timing
        for speed in speeds.values()
        for timing in (speed.train, speed.embed, speed.predict)
        if timing
    ]
    small = [timing.batch for timing in timings if timing.batch < timing.full]
    remarks = []
    if small:
        remarks.append(
            f"{len(small)} of {len(timings)} timings are of smaller batches than in a run "
            f"(the smallest of {min(small)} clips), scaled by the number of clips"
        )
    if schedule.compile:
        remarks.append(
            "timed without torch.compile, which takes minutes to start: steps may be faster"
        )
    return remarks


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
