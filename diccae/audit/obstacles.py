"""Why training or scoring a run again could give other bytes here than it gave then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import metadata
from typing import Any, NamedTuple

import torch

from diccae.audit.later_code import checkout_of
from diccae.audit.stored import StoredRun
from diccae.clips_folder import clips_command
from diccae.clips_hash import clips_hash
from diccae.engine.held_kernels import held
from diccae.engine.records import hardware
from diccae.errors import UserError
from diccae.hashes import lock_hash, weight_hashes
from diccae.kernels import has_avx2
from diccae.plans import Plan
from diccae.run_graph import Run
from diccae.seals.data import check_data
from diccae.systems._optimizers import FUSED_IN_PORTABLE


class Obstacle(NamedTuple):
    """One reason.

    Attributes:
        reason: in words.
        way_out: what to do about it.
    """

    reason: str
    way_out: str


def require_same_bytes(stored: Iterable[StoredRun]) -> None:
    """Refuse to train or to score runs again where equal bytes cannot be expected.

    Raises:
        UserError: there is a reason; names all of them, and the way out of each.
    """
    runs = list(stored)
    found: dict[Obstacle, int] = {}
    for each in runs:
        for obstacle in obstacles(each.run, each.record):
            found[obstacle] = found.get(obstacle, 0) + 1
    if found:
        reasons = "; ".join(
            obstacle.reason if count == len(runs) else f"{obstacle.reason} ({count} runs)"
            for obstacle, count in found.items()
        )
        ways = "; ".join(dict.fromkeys(obstacle.way_out for obstacle in found))
        raise UserError(
            f"{len(runs)} runs, such as {runs[0].run}, cannot be audited to the byte here: "
            f"{reasons}. Way out: {ways}"
        )


def require_data(plan: Plan, clips: bool) -> None:
    """Check that the data of a plan is here and not damaged. `diccae verify` does it for results in
    the plan's own folder, but not for those elsewhere.

    Args:
        plan: the plan.
        clips: whether to read every clip.

    Raises:
        UserError: it is not.
    """
    clips_hash(plan)
    if plan.elsewhere:
        problems = [each for each in check_data(plan, clips, lambda _: False) if each.problem]
        if problems:
            raise UserError(f"{problems[0].where}: {problems[0].message}")


def obstacles(run: Run, record: dict[str, Any]) -> Iterator[Obstacle]:
    """Everything in the record of a run that this machine, this environment or this checkout does
    not have, or that `runtime.kernels: portable` does not promise."""
    yield from _of_kernels(run, record)
    yield from _of_hardware(run, record)
    yield from _of_origin(run, record)


def _of_kernels(run: Run, record: dict[str, Any]) -> Iterator[Obstacle]:
    runtime = run.settings.runtime
    if record["kernels"].get("kernels") != "portable":
        yield Obstacle(
            "the plan sets runtime.kernels: fastest, and MKL then chooses its kernels by the "
            "processor",
            "none for these results; with runtime.kernels: portable, new ones can be audited",
        )
    if not has_avx2():
        yield Obstacle(
            "this is no x86-64 processor with AVX2", "use a machine that has one, with Linux"
        )
        return
    here = held(runtime)
    for key in sorted({*here, *record["kernels"]} - {"environment"}):
        then, now = record["kernels"].get(key), here.get(key)
        if then != now:
            yield Obstacle(
                f"{key} was {then} and is {now} here",
                "name the plan with --plan, so that its threads and kernels are set",
            )
    if here["environment"] != record["kernels"].get("environment"):
        yield Obstacle(
            "the environment variables that choose threads and instructions are others",
            "name the plan with --plan, so that its threads and kernels are set",
        )


def _of_hardware(run: Run, record: dict[str, Any]) -> Iterator[Obstacle]:
    gpu, processes = record["hardware"].get("gpu"), record.get("processes", 1)
    if gpu is not None:
        yield Obstacle(
            f"trained on a GPU ({gpu}), whose bytes nothing promises",
            "none for these results; runs that are trained on a CPU can be audited",
        )
    elif torch.cuda.is_available():
        yield Obstacle(
            "trained on a CPU, and torch finds a GPU here",
            "hide the GPU: write CUDA_VISIBLE_DEVICES= before the command",
        )
    if processes != 1:
        yield Obstacle(
            f"{processes} processes trained together, and an audit trains with one",
            "none for these results; runs that one process trains can be audited",
        )
    cpu = hardware()["cpu"]
    beyond = list(_not_promised(run))
    if beyond and record["hardware"].get("cpu") != cpu:
        yield Obstacle(
            f"{', '.join(beyond)} uses square roots of MKL, which depend on the processor: it was "
            f"{record['hardware'].get('cpu')} and is {cpu} here",
            "use a machine with the same model of processor",
        )


def _not_promised(run: Run) -> Iterator[str]:
    """Choices whose numbers `portable` does not promise on another processor
    (docs/architecture.md)."""
    budget, circles = run.context().budget, run.settings.system.circles(run.settings.choices)
    if budget.optimizer["type"] not in FUSED_IN_PORTABLE:
        yield f"the optimiser {budget.optimizer['type']}"
    if circles.get("circle") == "least_squares":
        yield "circle: least_squares"
    if circles.get("pca_dim", 2) is None:
        yield "pca_dim: null"


def _of_origin(run: Run, record: dict[str, Any]) -> Iterator[Obstacle]:
    there = f"use {checkout_of(record)}"
    if record["lock_hash"] != lock_hash():
        yield Obstacle("made with another requirements.lock", f"{there} and run `make setup` there")
    # the lock allows several versions of Python, and no number depends on it
    then = {name: version for name, version in record["versions"].items() if name != "python"}
    now = {name: _installed(name) for name in then}
    others = [f"{name} {then[name]} (here {now[name]})" for name in then if then[name] != now[name]]
    if others:
        yield Obstacle(
            f"made with {', '.join(others)}", "run `make setup`, which installs the lock"
        )
    if record["config_hash"] != run.config_hash:
        yield Obstacle("the configs or the plan give another config today", there)
    if record["data_hash"] != clips_hash(run.plan):
        yield Obstacle(
            f"the clips of {run.plan.data_root} are not those that the runs were made from",
            f"make them again at the commit of the runs: `{run.plan.manifest_command}`, then "
            f"`{clips_command(run.plan)}`",
        )
    if run.weight_files and record.get("weights") != weight_hashes(run.weight_files):
        names = ", ".join(run.weight_files)
        yield Obstacle(
            f"{names} is not the file of weights that the runs read", "put that file there"
        )


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
