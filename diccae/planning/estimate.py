"""The estimate of a plan as one nested dictionary: clips, runs, hours, disk space, wall time,
seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as parquet

from diccae.clips_of_plan import count_each
from diccae.data_check import check_data
from diccae.datasets.features.checks import require_suited
from diccae.jobs import job_key, jobs
from diccae.planning import costs
from diccae.planning.cluster import Times, cluster_cost
from diccae.planning.loading import Feed, feed
from diccae.planning.seeds import claims_of_table2, power_of_primary
from diccae.planning.speeds import Kind, kind_of, kinds
from diccae.planning.wall_time import wall_seconds
from diccae.planning.work import Work, artifacts, work_of
from diccae.plans import Plan
from diccae.run_graph import Run, scored_runs, with_parents
from diccae.settings import plan_settings
from diccae.stored_file import MAKE_AGAIN, reading

if TYPE_CHECKING:
    from diccae.planning.features import FeatureCost
    from diccae.planning.speeds import Calibration

# to time each encoder of stored features
ENCODER_SECONDS = 5.0


def estimate(
    plan: Plan,
    devices: int | None = None,
    calibrated: bool = True,
    report: Callable[[str], None] = lambda name: None,
    cluster: bool = False,
) -> dict[str, Any]:
    """Estimate what a plan costs, before any of its runs has started.

    Args:
        plan: a checked plan.
        devices: number of GPUs (of cores, without a GPU) that work at the same time; None for all
            of this machine.
        calibrated: whether to time the models; without it there are no hours.
        report: called with the name of each kind of run before it is timed.
        cluster: whether to state what `cluster_cost` does.

    Raises:
        UserError: the number of clips is not known (names the missing file), or the clips do not
            suit the plan, see `check_data`.
    """
    require_suited(plan)
    every = count_each(plan)
    check_data(plan, every)
    # folds differ by a few clips
    clips = every[0]
    # after the errors above, because torch takes seconds to import
    from diccae.planning.bench import parameters as count_parameters
    from diccae.planning.calibration import calibrate
    from diccae.planning.features import feature_cost

    count, gpu = devices_here()
    devices = devices or count
    of_artifact = artifacts(plan)
    runs = with_parents([run for own in of_artifact.values() for run in own])
    work = {run: work_of(run, clips) for run in runs}
    parameters = {kind_of(run): count_parameters(run) for run in kinds(plan)}
    result: dict[str, Any] = {
        "plan": plan.name,
        "modality": plan.modality,
        "clips": {
            "origin": clips.origin,
            "counts": {
                f"{split}/{source}": number for (split, source), number in clips.counts.items()
            },
        },
        "runs": _counts(runs),
        "steps": {
            stage: sum(work[run].steps for run in runs if run.stage == stage)
            for stage in _stages(runs)
        },
        "parameters": {str(kind): number for kind, number in parameters.items()},
        "disk": _disk(plan, clips.total, work, parameters, devices),
        "devices": {"count": devices, "kind": "GPU" if gpu else "core"},
        "seeds": [asdict(row) for row in claims_of_table2(plan)],
        "power": [asdict(row) for row in power_of_primary(plan)],
    }
    seconds: dict[Run, float] | None = None
    measured: Calibration | None = None
    kmeans: dict[Run, float] = {}
    result["calibration"] = result["needs_gpu"] = result["all_seeds"] = None
    precision = plan_settings(plan)["schedule"]["precision"]
    if precision != "float32" and not gpu:
        result["needs_gpu"] = f"schedule.precision: {precision}"
    elif calibrated:
        measured = calibrate(plan, report=report)
        seconds = {run: costs.run_seconds(run, work[run], measured) for run in runs}
        kmeans = {run: costs.kmeans_seconds(run, work[run], measured) for run in runs}
        # without the kinds of runs as keys, which asdict cannot convert and JSON does not have
        result["calibration"] = asdict(replace(measured, speeds={})) | {
            "speeds": {str(kind): asdict(speed) for kind, speed in measured.speeds.items()}
        }
        result["hours"] = _seconds(runs, seconds) / 3600
        result["wall_hours"] = _wall_hours(plan, seconds, devices)
        whole = plan.whole
        if len(whole.seeds) > len(plan.seeds):
            of_all = with_parents(scored_runs(whole, whole.needs()))
            seconds_of_all = {
                run: costs.run_seconds(run, work_of(run, clips), measured) for run in of_all
            }
            result["all_seeds"] = {
                "seeds": len(whole.seeds),
                "hours": _seconds(of_all, seconds_of_all) / 3600,
                "wall_hours": _wall_hours(whole, seconds_of_all, devices),
            }
    spend = ENCODER_SECONDS if calibrated else None
    encoders = feature_cost(plan, clips.total, gpu, spend)
    result["features"] = _features(encoders)
    result["loading"] = _loading(feed(plan, encoders, measured, calibrated))
    if cluster:
        # where the plan needs a GPU and there is none, the encoders were timed on a core
        whole_hours = None if encoders is None or seconds is None else encoders.hours
        encoding = None if whole_hours is None else 3600 * whole_hours
        times = Times(seconds, kmeans, encoding)
        result["cluster"] = cluster_cost(plan, work, times, devices)
    result["artifacts"] = _artifacts(of_artifact, seconds, _stages(runs))
    return result


def disk_of(plan: Plan) -> dict[str, int]:
    """Disk space that a plan takes on this machine, as `estimate` states it under `disk`.

    Raises:
        UserError: the number of clips is not known; names the missing file.
    """
    clips = count_each(plan)[0]
    from diccae.planning.bench import parameters as count_parameters

    runs = with_parents([run for own in artifacts(plan).values() for run in own])
    work = {run: work_of(run, clips) for run in runs}
    parameters = {kind_of(run): count_parameters(run) for run in kinds(plan)}
    return _disk(plan, clips.total, work, parameters, devices_here()[0])


def _features(cost: FeatureCost | None) -> dict[str, Any] | None:
    return None if cost is None else asdict(cost) | {"hours": cost.hours}


def _loading(need: Feed | None) -> dict[str, Any] | None:
    return None if need is None else asdict(need) | {"cores": need.cores}


def _disk(
    plan: Plan, clips: int, work: dict[Run, Work], parameters: dict[Kind, int], devices: int
) -> dict[str, int]:
    listed = None
    if plan.manifest.is_file():
        with reading(plan.manifest, MAKE_AGAIN):
            listed = parquet.read_metadata(plan.manifest).num_rows
    space = costs.disk(plan, clips, work, parameters, devices, listed)
    return asdict(space) | {"total": space.total}


def _seconds(runs: Iterable[Run], seconds: dict[Run, float]) -> float:
    """Seconds of some runs, and of the start of their jobs."""
    runs = list(runs)
    started = {job_key(run) for run in runs}
    return sum(seconds[run] for run in runs) + costs.JOB_START_SECONDS * len(started)


def _wall_hours(plan: Plan, seconds: dict[Run, float], devices: int) -> float:
    of_plan = jobs(plan)
    spent = {key: _seconds(job.runs, seconds) for key, job in of_plan.items()}
    waits_for = {key: job.owners for key, job in of_plan.items()}
    return wall_seconds(spent, waits_for, devices) / 3600


def devices_here() -> tuple[int, bool]:
    """(number, True) of GPUs, or (number, False) of cores on a machine without a GPU."""
    import os

    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return (gpus, True) if gpus else (len(os.sched_getaffinity(0)), False)


def _counts(runs: list[Run]) -> dict[str, int]:
    stages = Counter(run.stage for run in runs)
    return {stage: stages[stage] for stage in _stages(runs)}


def _stages(runs: list[Run]) -> list[str]:
    """Stages of the runs, in the order of training."""
    systems = sorted({run.settings.system for run in runs}, key=lambda system: len(system.stages))
    stages = [stage for system in reversed(systems) for stage in system.stages]
    ordered = sorted(stages, key=lambda stage: (stage.labelled, stage.scored))
    present = {run.stage for run in runs}
    return [name for name in dict.fromkeys(stage.name for stage in ordered) if name in present]


def _artifacts(
    of_artifact: dict[str, list[Run]], seconds: dict[Run, float] | None, stages: list[str]
) -> list[dict[str, Any]]:
    """Runs and hours of each artifact alone, and how many it adds to those of the rows before."""
    rows, known = [], set[Run]()
    for name, runs in of_artifact.items():
        row: dict[str, Any] = {
            "artifact": name,
            **{stage: sum(run.stage == stage for run in runs) for stage in stages},
            "added_runs": len(set(runs) - known),
        }
        if seconds is not None:
            row["hours"] = _seconds(runs, seconds) / 3600
            added = [run for run in runs if run not in known]
            row["added_hours"] = _seconds(added, seconds) / 3600
        known |= set(runs)
        rows.append(row)
    return rows
