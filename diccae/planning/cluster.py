"""What a plan costs on a cluster: its jobs by kind, hours, disk space, critical path, and the wall
time for each number of GPUs."""

from __future__ import annotations

import csv
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from diccae.planning import costs
from diccae.planning.job_graph import PlannedWork, job_graph, waits_for
from diccae.planning.wall_time import critical_path, wall_seconds
from diccae.planning.work import Work
from diccae.plans import Plan
from diccae.run_graph import Run
from diccae.settings import plan_settings

# a further device saves at most this share of the wall time: the critical path dominates
NEAR = 0.05
# bytes in a shard per scored run and pair of classes, and per scored run and clip (two views, and
# whether it was in the update set), before compression
PAIR_BYTES, CLIP_BYTES = 4, 5


@dataclass(frozen=True)
class Times:
    """Seconds on one device, as far as they are known.

    Attributes:
        runs: of each run with its K-means; None if nothing was timed.
        kmeans: of K-means alone.
        features: of the encoders for all clips; None if nothing was timed.
    """

    runs: Mapping[Run, float] | None
    kmeans: Mapping[Run, float]
    features: float | None


def cluster_cost(
    plan: Plan, work: Mapping[Run, Work], times: Times, devices: int
) -> dict[str, Any]:
    """Jobs, hours, critical path and wall time of a plan; nothing counts as done yet.

    A job whose time is not known takes none, and is counted under `not_timed`. Jobs that compute on
    no device (data, shards, tables) take as long as they took on this machine, if they ran here.

    Args:
        plan: a checked plan.
        work: every run of the plan with its work.
        times: on one device.
        devices: a number of devices whose wall time is stated beside 1, 2, 4 and so on.
    """
    graph = job_graph(plan)
    seconds = {output: _seconds(job, times) for output, job in graph.items()}
    measured = _measured(graph)
    spent = {
        output: known if (known := seconds[output]) is not None else measured.get(output, (0.0,))[0]
        for output in graph
    }
    unknown = [job for output, job in graph.items() if seconds[output] is None]
    before = waits_for(graph)
    chain = critical_path(spent, before)
    known = times.runs is not None
    cores = 1 + plan_settings(plan)["schedule"]["num_workers"]
    on_device = {output: spent[output] for output, job in graph.items() if job.on_device}
    elsewhere = [measured[output][1] for output in graph if output in measured]
    return {
        "kinds": _kinds(graph, seconds, measured),
        "stages": _stages(work, times),
        "device_hours": sum(on_device.values()) / 3600 if known else None,
        "cores": cores,
        "cpu_hours": (sum(on_device.values()) * cores + sum(elsewhere)) / 3600 if known else None,
        "not_timed": dict(Counter(job.kind for job in unknown if job.output not in measured)),
        "measured": dict(Counter(graph[output].kind for output in measured)),
        "critical_path": {
            "hours": sum(spent[output] for output in chain) / 3600 if known else None,
            "jobs": [
                {"label": graph[output].label, "hours": spent[output] / 3600 if known else None}
                for output in chain
            ],
        },
        "wall": _wall(graph, spent, before, devices) if known else [],
        "shards_bytes": _shards_bytes(plan, work),
    }


def _seconds(job: PlannedWork, times: Times) -> float | None:
    """Seconds of a job that computes on a device; None for another, or if nothing was timed."""
    if job.job is not None and times.runs is not None:
        return sum(times.runs[run] for run in job.job.runs) + costs.JOB_START_SECONDS
    if job.share and times.features is not None:
        return job.share * times.features + costs.JOB_START_SECONDS
    return None


def _measured(graph: Mapping[str, PlannedWork]) -> dict[str, tuple[float, float]]:
    """(seconds, CPU seconds) of each job on no device that ran here; a shard takes as long as the
    median of those that did."""
    found = {}
    for output, job in graph.items():
        row = None if job.on_device else _benchmark(Path(job.benchmark))
        if row is not None:
            found[output] = row
    shards = [found[output] for output in found if graph[output].kind == "shards"]
    if shards:
        usual = (statistics.median(s for s, _ in shards), statistics.median(c for _, c in shards))
        others = (output for output, job in graph.items() if job.kind == "shards")
        found |= {output: usual for output in others if output not in found}
    return found


def _benchmark(path: Path) -> tuple[float, float] | None:
    """Columns `s` and `cpu_time` of a file of Snakemake's; None if it is missing or cut off."""
    try:
        with path.open(newline="") as handle:
            row = next(csv.DictReader(handle, delimiter="\t"))
        wall = float(row["s"])
    except (OSError, StopIteration, KeyError, TypeError, ValueError):
        return None
    try:
        return wall, float(row["cpu_time"])
    except (KeyError, TypeError, ValueError):
        # Snakemake writes NA for a job that was too short to look at
        return wall, wall


def _kinds(
    graph: Mapping[str, PlannedWork],
    seconds: Mapping[str, float | None],
    measured: Mapping[str, tuple[float, float]],
) -> list[dict[str, Any]]:
    rows = []
    for kind, jobs in Counter(job.kind for job in graph.values()).items():
        outputs = [output for output, job in graph.items() if job.kind == kind]
        on_device = [time for output in outputs if (time := seconds[output]) is not None]
        ran = [measured[output][1] for output in outputs if output in measured]
        rows.append(
            {
                "kind": kind,
                "jobs": jobs,
                "device_hours": sum(on_device) / 3600 if on_device else None,
                "measured_jobs": len(ran),
                "measured_cpu_hours": sum(ran) / 3600 if ran else None,
            }
        )
    return rows


def _stages(work: Mapping[Run, Work], times: Times) -> list[dict[str, Any]]:
    """Runs and hours of the stages, with K-means as a row of its own."""
    rows = []
    for stage in dict.fromkeys(run.stage for run in work):
        runs = [run for run in work if run.stage == stage]
        spent = times.runs and sum(times.runs[run] - times.kmeans[run] for run in runs) / 3600
        rows.append({"stage": stage, "runs": len(runs), "hours": spent})
    clustering = [run for run, amount in work.items() if amount.clustered]
    if clustering:
        spent = times.runs and sum(times.kmeans[run] for run in clustering) / 3600
        rows.append({"stage": "K-means", "runs": len(clustering), "hours": spent})
    return rows


def _wall(
    graph: Mapping[str, PlannedWork],
    spent: Mapping[str, float],
    before: Mapping[str, Any],
    devices: int,
) -> list[dict[str, Any]]:
    """Wall time and the share of it in which a device works, for 1, 2, 4 and more devices until the
    critical path dominates."""
    elsewhere = {output for output, job in graph.items() if not job.on_device}
    total = sum(seconds for output, seconds in spent.items() if output not in elsewhere)
    shortest = sum(spent[output] for output in critical_path(spent, before))
    found: dict[int, float] = {}
    for number in _doubled(len(graph)):
        found[number] = wall_seconds(spent, before, number, elsewhere)
        if found[number] <= (1 + NEAR) * shortest:
            break
    found[devices] = wall_seconds(spent, before, devices, elsewhere)
    return [
        {
            "devices": number,
            "hours": found[number] / 3600,
            "busy": total / (number * found[number]) if found[number] else 0.0,
        }
        for number in sorted(found)
    ]


def _doubled(most: int) -> Iterator[int]:
    return takewhile(lambda number: number < 2 * most, (2**power for power in range(64)))


def _shards_bytes(plan: Plan, work: Mapping[Run, Work]) -> int:
    """Bytes of all shards of a plan, at most: before compression."""
    classes = int(plan_settings(plan)["data"]["num_classes"])
    scored = [amount.scored for run, amount in work.items() if run.spec.scored]
    return sum(PAIR_BYTES * classes**2 + CLIP_BYTES * clips for clips in scored)
