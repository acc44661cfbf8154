"""Disk, writable folders, the lock, data and results of a plan."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from diccae.doctor.check import GB, Check, few
from diccae.errors import UserError
from diccae.plans import Plan

# A rendered clip, and what a run of the embedded scale leaves (weights, predictions, checkpoint), both measured and rounded up, in bytes
CLIP_BYTES, RUN_BYTES = 20_000, 2_000_000


def disk(plan: Plan) -> Check:
    """Free space against what the plan still has to write: clips (embedded only), their cache, and runs (embedded scale only)."""
    need, left_out = disk_need(plan)
    folder = _existing(plan.results_root())
    free = shutil.disk_usage(folder).free
    message = f"{free / GB:.1f} GB free, about {need / GB:.1f} GB still to write"
    if left_out:
        message += f" ({', '.join(left_out)} not counted)"
    if need > free:
        return Check(
            "disk",
            "problem",
            message,
            f"free {(need - free) / GB:.1f} GB, or make {folder} a link to a larger disk",
        )
    if need > 0.8 * free:
        return Check("disk", "warning", message, "free some space: other programs write too")
    return Check("disk", "ok", message)


def disk_need(plan: Plan) -> tuple[float, list[str]]:
    """Bytes that the plan still has to write, and the words for what cannot be told yet."""
    from diccae.run_graph import scored_runs, with_parents
    from diccae.settings import plan_settings

    base, left_out = plan_settings(plan), []
    need = 0.0
    embedded = plan.dataset == "embedded"
    if embedded:
        clips = sum(base["benchmark"]["counts"].values())
        need += 0 if plan.manifest.is_file() else clips * CLIP_BYTES
    elif plan.manifest.is_file():
        import pyarrow.parquet as parquet

        clips = parquet.read_metadata(plan.manifest).num_rows
    else:
        clips = 0
        if base["cache"].get("mode", "stored") == "stored":
            left_out.append("cache")
    cache = base["cache"]
    if cache.get("mode", "stored") == "stored" and not (plan.cache_dir / "meta.json").is_file():
        need += clips * (
            3 * cache["num_frames"] * cache["frame_size"] ** 2
            + 2 * cache["n_mels"] * cache["fbank_frames"]
        )
    if plan.scale == "embedded":
        runs = len(with_parents(scored_runs(plan, plan.needs())))
        made = sum(1 for _ in (plan.results_root() / "runs").rglob("record.json"))
        need += max(runs - made, 0) * RUN_BYTES
    else:
        left_out.append("runs")
    return need, left_out


def _existing(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path


def writable(plan: Plan) -> Check:
    """Results, temporary files, and the cache folder that Snakemake uses."""
    folders = {
        "results": plan.results_root(),
        "temporary": Path(tempfile.gettempdir()),
        "user cache": Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()),
    }
    refused = {}
    for name, path in folders.items():
        try:
            with tempfile.TemporaryFile(dir=_existing(path)):
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
    """Whether the plan's clips are listed and decoded, and whether the cache belongs to the list."""
    root, embedded = plan.data_root, plan.dataset == "embedded"
    if not plan.manifest.is_file():
        if embedded:
            return Check("data", "ok", f"{root} not rendered yet; the workflow does it")
        return _lists(plan)
    meta = plan.cache_dir / "meta.json"
    clips = "rendered" if embedded else "listed"
    if not meta.is_file():
        return Check("data", "ok", f"{root} is {clips}, not cached yet; the workflow does it")
    content = json.loads(meta.read_text())
    with open(plan.manifest, "rb") as handle:
        listed = hashlib.file_digest(handle, "sha256").hexdigest()
    if content["manifest_sha256"] != listed:
        return Check(
            "data",
            "problem",
            f"{meta.parent} was made from another manifest than {plan.manifest}",
            f"diccae data cache --plan {plan.name}",
        )
    counts = ", ".join(f"{count} {status}" for status, count in content["counts"].items())
    return Check("data", "ok", f"{root} is {clips} and cached: {counts}")


def _lists(plan: Plan) -> Check:
    """Whether what a plan reads its manifest from is there."""
    if plan.lists is None:
        return Check(
            "data", "problem", f"{plan.manifest} is missing", "name lists in the plan: docs/data.md"
        )
    named = [(Path(path), "lists") for source in plan.lists.sources for path in source.lists]
    named += [(Path(source.media), "media") for source in plan.lists.sources]
    lacking = [f"{path} ({key})" for path, key in named if not path.exists()]
    if lacking:
        return Check(
            "data",
            "problem",
            f"{len(lacking)} of {len(named)} lists and folders are missing: {few(lacking)}",
            "put them there (links do), or change lists.sources in the plan; docs/data.md",
        )
    return Check(
        "data",
        "ok",
        f"all {len(named)} lists and folders are there, not read yet; the workflow does it",
    )


def lock(folder: Path = Path(".snakemake/locks")) -> Check:
    """Snakemake's lock stays after a kill or a power cut, and then nothing starts."""
    locks = list(folder.glob("*.lock"))
    if not locks:
        return Check("lock", "ok", "no workflow runs here")
    holders, unseen = _snakemakes(folder.absolute().parent.parent)
    if holders:
        return Check("lock", "ok", f"a workflow runs here (process {', '.join(map(str, holders))})")
    if unseen:
        return Check(
            "lock",
            "warning",
            f"{folder} holds {len(locks)} locks; Snakemake of another user runs here or elsewhere (process {', '.join(map(str, unseen))})",
            "wait for it, or, when it works in another folder: snakemake --unlock",
        )
    return Check(
        "lock",
        "problem",
        f"{folder} holds {len(locks)} locks and no Snakemake of this machine works here",
        "unless it runs on another machine or in a container: snakemake --unlock",
    )


def _snakemakes(folder: Path) -> tuple[list[int], list[int]]:
    """Processes of Snakemake that work in `folder`, and those whose folder this user may not see."""
    import psutil

    here, unseen = [], []
    for process in psutil.process_iter(["pid", "cmdline"]):
        if not any(Path(word).name == "snakemake" for word in (process.info["cmdline"] or [])[:3]):
            continue
        try:
            if Path(process.cwd()) == folder.resolve():
                here.append(process.pid)
        except psutil.AccessDenied:
            unseen.append(process.pid)
        except psutil.NoSuchProcess:
            continue
    return here, unseen


def results(plan: Plan) -> Check:
    """Finished runs whose config, source, lock or data are not the present ones; the workflow makes them again."""
    records = sorted((plan.results_root() / "runs").rglob("record.json"))
    if not records:
        return Check("results", "ok", f"no finished runs in {plan.results_root()}")
    reasons: Counter[str] = Counter()
    stale = 0
    for path in records:
        changed = _changed(plan, path)
        stale += bool(changed)
        reasons.update(changed)
    if not stale:
        return Check(
            "results",
            "ok",
            f"{len(records)} finished runs, all made by this code and these configs",
        )
    words = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
    return Check(
        "results",
        "warning",
        f"{stale} of {len(records)} finished runs are stale (changed since: {words})",
        "run the workflow again: it remakes them; or check out the commit that their record.json names",
    )


def _changed(plan: Plan, path: Path) -> list[str]:
    """What of a record is no longer so; a record that cannot be read or composed counts as well."""
    from diccae.hashes import data_hash, lock_hash
    from diccae.run_graph import Run
    from diccae.source import source_hash

    try:
        record: dict[str, Any] = json.loads(path.read_text())
        run = Run(plan, record["stage"], record["variant"], record["seed"], record["modality"])
        now = {
            "config": run.config_hash,
            "source": source_hash(run.config(), run.settings.system.name),
            "lock": lock_hash(),
        }
    except (ValueError, KeyError, OSError):
        return ["unreadable"]
    except UserError:
        return ["not in the plan"]
    if (plan.cache_dir / "meta.json").is_file() and plan.manifest.is_file():
        now["data"] = data_hash(plan)
    return [name for name, value in now.items() if record.get(f"{name}_hash") != value]
