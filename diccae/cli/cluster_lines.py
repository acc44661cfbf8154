"""What `diccae plan --cluster` prints: jobs, hours, critical path and wall time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diccae.cli.durations import length

GB = 1e9
NAMES = {
    "data": "clips",
    "cache": "clip cache",
    "features": "stored features",
    "training": "training",
    "shards": "shards",
    "tables": "tables and figures",
    "report": "verification and report",
}


def cluster_lines(answer: Mapping[str, Any], free: int, folder: str) -> list[str]:
    """Lines about the jobs of a plan on a cluster.

    Args:
        answer: of `estimate` with `cluster`.
        free: bytes that are free on the disk of the results.
        folder: that disk's folder, as it is named.
    """
    cost = answer["cluster"]
    unit = answer["devices"]["kind"]
    return [
        *_jobs(cost, unit),
        *_origin(answer, unit),
        "",
        *_path(cost, unit),
        *_wall(cost, unit),
        "",
        *_disk(answer, free, folder),
    ]


def _jobs(cost: Mapping[str, Any], unit: str) -> list[str]:
    lines = [f"{'jobs':<24} {'number':>8} {unit + ' time':>11} {'CPU time':>11}"]

    def line(name: str, number: int | str, device: float | None, cpu: float | None) -> str:
        shown = ("-" if hours is None else length(hours) for hours in (device, cpu))
        return f"{name:<24} {number:>8}" + "".join(f" {text:>11}" for text in shown)

    for row in cost["kinds"]:
        hours, own = row["device_hours"], row["measured_cpu_hours"]
        beside = None if hours is None else hours * cost["cores"]
        cpu = None if beside is None and own is None else (beside or 0.0) + (own or 0.0)
        lines.append(line(NAMES[row["kind"]], row["jobs"], hours, cpu))
        if row["kind"] == "training":
            lines += [
                line(f"  {stage['stage']}", f"{stage['runs']} runs", stage["hours"], None)
                for stage in cost["stages"]
            ]
    total = sum(row["jobs"] for row in cost["kinds"])
    return [*lines, line("all", total, cost["device_hours"], cost["cpu_hours"])]


def _origin(answer: Mapping[str, Any], unit: str) -> list[str]:
    """Where the times come from."""
    cost, measured, plan = answer["cluster"], answer["calibration"], answer["plan"]
    on_node = f"srun --gpus 1 diccae plan --plan {plan} --cluster"
    if answer["needs_gpu"]:
        return [
            f"no time: the plan needs a GPU ({answer['needs_gpu']}) and there is none here; on the "
            f"cluster: {on_node}"
        ]
    if measured is None:
        return ["no time: nothing was timed (--no-calibrate)"]
    cores = f"; a run takes {cost['cores']} CPU cores" if cost["cores"] > 1 else ""
    lines = [f"{unit} time: of one {unit}, timed here on {measured['device']}{cores}"]
    if unit != "GPU":
        lines.append(f"of a GPU nothing is known here; on the cluster: {on_node}")
    if answer["features"] is not None:
        lines.append("time of stored features: without decoding")
    if cost["measured"]:
        lines.append(
            f"{_counted(cost['measured'])}: as long as they took here (results/benchmarks)"
        )
    if cost["not_timed"]:
        lines.append(f"{_counted(cost['not_timed'])}: not timed, counted as 0 s")
    return lines


def _counted(kinds: Mapping[str, int]) -> str:
    return ", ".join(
        f"{NAMES[kind]} ({number} job{'s' if number > 1 else ''})" for kind, number in kinds.items()
    )


def _path(cost: Mapping[str, Any], unit: str) -> list[str]:
    chain = cost["critical_path"]
    if chain["hours"] is None:
        names = " -> ".join(job["label"] for job in chain["jobs"])
        return [f"longest chain of jobs: {names}"]
    names = " -> ".join(
        job["label"] + (f" ({length(job['hours'])})" if job["hours"] else "")
        for job in chain["jobs"]
    )
    return [
        f"critical path, with any number of {unit}s: {length(chain['hours'])}",
        f"  {names}",
    ]


def _wall(cost: Mapping[str, Any], unit: str) -> list[str]:
    if not cost["wall"]:
        return []
    lines = [f"{unit + 's':<6} {'wall time':>11}  at work"]
    for row in cost["wall"]:
        lines.append(f"{row['devices']:<6} {length(row['hours']):>11} {row['busy']:>8.0%}")
    return lines


def _disk(answer: Mapping[str, Any], free: int, folder: str) -> list[str]:
    need, shards = answer["disk"], answer["cluster"]["shards_bytes"]
    total = need["total"] + shards
    parts = {
        "rendered clips": need["clips"],
        "clip cache": need["cache"],
        "stored features": need["features"],
        "weights": need["weights"],
        "predictions and clusters": need["tables"],
        f"checkpoints of {answer['devices']['count']} runs": need["working"],
        "shards, at most": shards,
    }
    shown = ", ".join(f"{name} {size / GB:,.2f} GB" for name, size in parts.items() if size)
    lines = [f"disk: {total / GB:,.2f} GB ({shown}); {free / GB:,.1f} GB free in {folder}"]
    if total > free:
        lines.append(
            f"the disk is too small by {(total - free) / GB:,.1f} GB: free some space, or make "
            f"{folder} a symbolic link to a larger disk"
        )
    return lines
