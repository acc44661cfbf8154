"""Checks of the disk, of folders, of Snakemake's lock and of a plan's data."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from diccae.checkout import ROOT, check_checkout
from diccae.doctor.check import GB, Check, Status, shorten
from diccae.errors import UserError
from diccae.folder_lock import MEMORY, is_locked, other_workflow
from diccae.plans import Plan


def disk(plan: Plan, estimate: Callable[[], Mapping[str, int]]) -> Check:
    """Compare the free space with what the plan still has to write.

    Args:
        plan: the plan.
        estimate: gives the bytes of its clips, cache, weights, tables and working files, as
            `diccae plan` states them.
    """
    folder = existing(plan.results_root())
    free = shutil.disk_usage(folder).free
    try:
        need = still_to_write(plan, estimate())
    except UserError:
        # the reason is the problem that the check of the plan or of its data names
        return Check(
            "disk",
            "warning",
            f"{free / GB:.1f} GB free; what the plan will write is not known yet",
        )
    message = f"{free / GB:.1f} GB free, about {need / GB:.1f} GB still to write"
    if need > free:
        return Check(
            "disk",
            "problem",
            message,
            f"free {(need - free) / GB:.1f} GB, or make {folder} a symbolic link to a larger disk",
        )
    if need > 0.8 * free:
        return Check(
            "disk", "warning", message, "free some space: little is left for other programs"
        )
    return Check("disk", "ok", message)


def still_to_write(plan: Plan, estimate: Mapping[str, int]) -> float:
    """Bytes of the parts of a plan that are not on the disk yet, see `disk`."""
    from diccae.clips_folder import clips_folder
    from diccae.run_graph import scored_runs, with_parents

    runs = len(with_parents(scored_runs(plan, plan.needs())))
    made = sum(1 for _ in (plan.results_root() / "runs").rglob("record.json"))
    left = max(runs - made, 0) / runs
    need = left * (estimate["weights"] + estimate["tables"])
    need += estimate["working"] if left else 0
    need += 0 if plan.manifest.is_file() else estimate["clips"]
    need += 0 if (plan.cache_dir / "meta.json").is_file() else estimate["cache"]
    need += 0 if (clips_folder(plan) / "meta.json").is_file() else estimate.get("features", 0)
    return need


def existing(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path


def checkout() -> Check:
    """Check that the working directory is the checkout whose code runs."""
    try:
        check_checkout()
    except UserError as error:
        message, _, way_out = str(error).partition("; ")
        return Check("checkout", "problem", message, way_out)
    missing = [name for name in ("Snakefile", "configs") if not Path(name).exists()]
    if not missing:
        return Check("checkout", "ok", str(Path.cwd()))
    return Check(
        "checkout",
        "warning",
        f"{Path.cwd()} has no {' and no '.join(missing)}: Snakemake cannot start here, and results "
        "and data are looked for here",
        f"cd {ROOT}",
    )


def writable(plan: Plan) -> Check:
    """Check that the folders for results, temporary files and Snakemake's cache are writable."""
    folders = {
        "results": plan.results_root(),
        "temporary": Path(tempfile.gettempdir()),
        "user cache": Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()),
    }
    refused = {}
    for name, path in folders.items():
        try:
            with tempfile.TemporaryFile(dir=existing(path)):
                pass
        except OSError as error:
            refused[name] = f"{path} ({name}): {error.strerror}"
    if refused:
        ways = {
            "results": "give results to your user, or mount it writable",
            "temporary": "set TMPDIR to a writable folder",
            "user cache": "set XDG_CACHE_HOME to a writable folder",
        }
        return Check(
            "folders",
            "problem",
            "cannot write " + "; ".join(refused.values()),
            "; ".join(ways[name] for name in refused),
        )
    return Check(
        "folders",
        "ok",
        "can write " + ", ".join(f"{path} ({name})" for name, path in folders.items()),
    )


def data(plan: Plan) -> Check:
    """Check that the plan's clips can be listed, and that manifest, cache, clips and truth are
    those that were written together."""
    from diccae.clips_folder import clips_folder
    from diccae.datasets.clips import read_meta
    from diccae.datasets.integrity import data_problems
    from diccae.settings import plan_settings

    root, embedded = plan.data_root, plan.dataset == "embedded"
    if not plan.manifest.is_file():
        if embedded:
            return Check("data", "ok", f"{root} not rendered yet; the workflow does it")
        return _lists(plan)
    meta = plan.cache_dir / "meta.json"
    clips = "rendered" if embedded else "listed"
    if not meta.is_file():
        if plan.cache_dir != clips_folder(plan):
            return Check("data", "ok", f"{root} is {clips}; runs read its stored features")
        return Check("data", "ok", f"{root} is {clips}, not cached yet; the workflow does it")
    problems = data_problems(plan, settings=plan_settings(plan)["cache"])
    problems.sort(key=lambda problem: not problem.wrong)
    if problems:
        first = problems[0]
        more = f" (and {len(problems) - 1} more; see diccae verify)" if len(problems) > 1 else ""
        status: Status = "problem" if first.wrong else "warning"
        return Check("data", status, f"{first.where}: {first.message}{more}", first.way_out)
    counts = ", ".join(
        f"{count} {status}" for status, count in read_meta(meta.parent)["counts"].items()
    )
    return Check("data", "ok", f"{root} is {clips} and cached: {counts}")


def _lists(plan: Plan) -> Check:
    """Check that the lists and folders exist from which a plan's manifest is made."""
    if plan.lists is None:
        return Check(
            "data", "problem", f"{plan.manifest} is missing", "set lists in the plan: docs/data.md"
        )
    named = [(Path(path), "lists") for source in plan.lists.sources for path in source.lists]
    named += [(Path(source.media), "media") for source in plan.lists.sources]
    missing = [f"{path} ({key})" for path, key in named if not path.exists()]
    if missing:
        return Check(
            "data",
            "problem",
            f"{len(missing)} of {len(named)} lists and folders are missing: {shorten(missing)}",
            "put them or symbolic links there, or change lists.sources in the plan; docs/data.md",
        )
    return Check(
        "data",
        "ok",
        f"all {len(named)} lists and folders exist; the workflow reads them",
    )


def lock(memory: Path = MEMORY) -> Check:
    """Check whether another workflow works in this folder.

    Args:
        memory: the folder in which Snakemake keeps its state.
    """
    other = other_workflow(memory)
    if other is not None and is_locked(memory):
        return Check("lock", "problem" if other.way_out else "ok", *other)
    if is_locked(memory):
        return Check("lock", "ok", "an earlier workflow was killed; the next one removes its lock")
    return Check("lock", "ok", "no workflow runs here")
