"""`diccae plan`: the runs and the cost of a plan, before anything runs."""

from __future__ import annotations

import json
import shutil
import sys
from typing import Annotated, Any

import typer

from diccae.cli.cluster_lines import cluster_lines
from diccae.cli.durations import length
from diccae.cli.feature_lines import feature_lines
from diccae.cli.loading_lines import loading_lines
from diccae.cli.options import PlanName, Seeds
from diccae.cli.plan_variants import print_variants
from diccae.cli.seed_lines import power, seeds_needed
from diccae.doctor.folders import existing
from diccae.plans import Plan, load_plan

GB = 1e9


def plan(
    plan: PlanName = "embedded",
    seeds: Seeds = None,
    gpus: Annotated[
        int | None,
        typer.Option(
            "--gpus",
            min=1,
            help="GPUs (or cores) that work at the same time; by default all of this machine.",
        ),
    ] = None,
    cluster: Annotated[
        bool,
        typer.Option(
            "--cluster", help="Print jobs, hours, critical path and wall time on a cluster instead."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    calibrate: Annotated[
        bool,
        typer.Option(
            help="Time each kind of run, for about a minute in all, to estimate the time."
        ),
    ] = True,
) -> None:
    """Check a plan and print its runs, its time and disk space, and how many seeds each
    claim of Table 2 needs."""
    from diccae.changed_plan import check_changes, check_effect

    chosen = load_plan(plan).first_seeds(seeds)
    check_changes(chosen)
    for sentence in check_effect(chosen):
        print(sentence, file=sys.stderr)
    if not (as_json or cluster):
        print_variants(chosen)
    from diccae.planning.estimate import estimate

    def report(name: str) -> None:
        print(f"timing {name}", file=sys.stderr, flush=True)

    answer = estimate(chosen, gpus, calibrate, report, cluster)
    if as_json:
        print(json.dumps(answer, indent=1))
    elif cluster:
        folder = existing(chosen.results_root())
        free = shutil.disk_usage(folder).free
        head = [f"plan {chosen.name}, {len(chosen.seeds)} seeds", *_clips(answer), ""]
        print("\n".join([*head, *cluster_lines(answer, free, str(folder)), *loading_lines(answer)]))
    else:
        print("\n".join(["", *_lines(chosen, answer)]))


def _lines(chosen: Plan, answer: dict[str, Any]) -> list[str]:
    features = feature_lines(answer)
    return [
        *_clips(answer),
        *([""] if features else []),
        *features,
        "",
        *_hours(answer),
        *loading_lines(answer),
        "",
        *_disk(answer, chosen),
        "",
        *seeds_needed(chosen, answer["seeds"]),
        *power(answer["power"]),
    ]


def _clips(answer: dict[str, Any]) -> list[str]:
    counts = ", ".join(f"{name} {number:,}" for name, number in answer["clips"]["counts"].items())
    steps = answer["steps"]
    return [
        f"clips from {answer['clips']['origin']}",
        f"  {counts}",
        "optimiser steps: " + ", ".join(f"{stage} {count:,}" for stage, count in steps.items()),
    ]


def _hours(answer: dict[str, Any]) -> list[str]:
    unit, measured, stages = answer["devices"]["kind"], answer["calibration"], answer["runs"]
    head = f"{'artifact':<34}" + "".join(f" {stage:>9}" for stage in stages)
    lines = [head + (f" {unit + ' time':>11} {'added':>11}" if measured else "")]

    def line(name: str, row: dict[str, Any]) -> str:
        return f"{name:<34}" + "".join(f" {row[stage]:>9}" for stage in stages)

    def hours(*values: float) -> str:
        return "".join(f" {length(value):>11}" for value in values)

    for row in answer["artifacts"]:
        end = hours(row["hours"], row["added_hours"]) if measured else ""
        lines.append(line(row["artifact"], row) + end)
    total = line("all, each run once", answer["runs"])
    if answer["needs_gpu"]:
        return [
            *lines,
            total,
            f"time: not feasible here, the plan needs a GPU ({answer['needs_gpu']}); run diccae "
            "plan on the machine with the GPU",
        ]
    if not measured:
        return [*lines, total, "no time: nothing was timed (--no-calibrate)"]
    count = answer["devices"]["count"]
    devices = f"{count} {unit}{'s' if count > 1 else ''}"
    lines += [
        total + hours(answer["hours"], answer["hours"]),
        f"{unit} time: on one {unit}; added: without the runs that a row above has already",
        f"wall time with {devices}, one run on each: {length(answer['wall_hours'])}",
        *_all_seeds(answer["all_seeds"], unit),
        f"timed in {measured['seconds']:.0f} s on {measured['device']}; with the start of each "
        "job, without rendering, decoding into the cache, tables and report",
    ]
    for name, speed in measured["speeds"].items():
        timings = [_timing(label, speed[key]) for key, label in SPEEDS.items() if speed[key]]
        lines.append(f"  {name:<12} {', '.join(timings)}")
    if measured["loading"]:
        lines.append(f"  loading      {_duration(measured['loading'])} per clip and core")
    return lines + [f"  {remark}" for remark in measured["remarks"]]


def _all_seeds(every: dict[str, Any] | None, unit: str) -> list[str]:
    if every is None:
        return []
    return [
        f"with all {every['seeds']} seeds (--seeds {every['seeds']}): {unit} time "
        f"{length(every['hours'])}, wall time {length(every['wall_hours'])}"
    ]


SPEEDS = {"train": "training", "embed": "features", "predict": "scores"}


def _timing(label: str, timing: dict[str, Any]) -> str:
    batch = f"batch {timing['batch']}" + (
        f" instead of {timing['full']}" if timing["batch"] < timing["full"] else ""
    )
    return f"{label} {_duration(timing)} per clip ({batch})"


def _duration(timing: dict[str, Any]) -> str:
    return (
        f"{timing['seconds']:.3g} s"
        if timing["seconds"] >= 1
        else f"{1000 * timing['seconds']:.3g} ms"
    )


def _disk(answer: dict[str, Any], plan: Plan) -> list[str]:
    from diccae.datasets.modalities import arrays_of
    from diccae.settings import plan_settings

    need, packed = answer["disk"], plan_settings(plan)["cache"].get("format") == "jpeg"
    live, pictures = need["cache"] == 0, "V" in plan.modality
    when = "for the features" if need["features"] else "while training"
    cache = (
        f"none, decoded {when}; it would take {need['cache_stored'] / GB:,.1f} GB"
        + (f", or {need['cache_jpeg'] / GB:,.1f} GB as JPEG (cache.format)" if pictures else "")
        if live
        else f"{'about ' if packed else ''}{need['cache'] / GB:,.2f} GB"
    )
    held = {"frames": f"frames {'JPEG' if packed else 'uint8'}", "fbank": "log-mels float16"}
    arrays = ", ".join(held[name] for name in arrays_of(plan.modality))
    return [
        f"disk: {need['total'] / GB:,.2f} GB",
        *([f"  rendered clips {need['clips'] / GB:,.2f} GB"] if need["clips"] else []),
        f"  clip cache ({arrays}) {cache}",
        *([f"  stored features {need['features'] / GB:,.2f} GB"] if need["features"] else []),
        f"  weights {need['weights'] / GB:,.2f} GB, "
        f"predictions and clusters {need['tables'] / GB:,.2f} GB, "
        f"checkpoints while training {need['working'] / GB:,.2f} GB",
    ]


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(plan)
