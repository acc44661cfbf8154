"""`diccae doctor`: what this machine and this checkout have and lack for a plan, one line each, with the way out."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import platform
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module, metadata
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from diccae.cli.options import PlanName
from diccae.settings import CONFIG_ROOT, Plan, load_plan
from diccae.structures import UserError

Status = Literal["ok", "warning", "problem"]
GB = 1e9
# A rendered clip, and what a run of the embedded scale leaves (weights, predictions, checkpoint), both measured and rounded up, in bytes
CLIP_BYTES, RUN_BYTES = 20_000, 2_000_000
OLDEST_DRIVER = 525


@dataclass(frozen=True)
class Check:
    """One line of the doctor; `way_out` says what to do, and is empty where nothing needs doing."""

    name: str
    status: Status
    message: str
    way_out: str = ""


def python() -> Check:
    found = platform.python_version()
    if (3, 11) <= sys.version_info[:2] <= (3, 12):
        return Check("python", "ok", found)
    return Check("python", "problem", f"{found}, wanted 3.11 or 3.12", "make setup PYTHON=python3.11")


def torch_build() -> Check:
    import torch

    return Check("torch", "ok", f"{torch.__version__}, {torch.get_num_threads()} threads")


def driver_version() -> str | None:
    """Version of the NVIDIA driver; None where there is none."""
    try:
        answer = subprocess.run(
            ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = answer.stdout.split()
    return lines[0] if answer.returncode == 0 and lines else None


def cuda() -> Check:
    import torch

    build, driver = torch.version.cuda, driver_version()
    message = f"torch is built for {f'CUDA {build}' if build else 'the CPU'}, driver {driver or 'none'}"
    if build is None and driver is not None:
        return Check("cuda", "warning", message, "install torch from requirements.lock: make setup")
    if driver is not None and int(driver.split(".")[0]) < OLDEST_DRIVER:
        return Check(
            "cuda", "warning", message, f"install an NVIDIA driver >= {OLDEST_DRIVER}; until then runs use the CPU"
        )
    return Check("cuda", "ok", message)


def gpus(plan: Plan) -> Check:
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count:
        devices = [torch.cuda.get_device_properties(index) for index in range(count)]
        return Check("gpu", "ok", ", ".join(f"{device.name} ({device.total_memory / GB:.0f} GB)" for device in devices))
    driver = driver_version()
    if driver is not None:
        return Check(
            "gpu",
            "warning",
            f"the driver ({driver}) is there, but torch sees no GPU",
            "look at nvidia-smi and CUDA_VISIBLE_DEVICES",
        )
    if plan.dataset == "embedded":
        return Check("gpu", "ok", f"none; plan {plan.name} is made for the CPU")
    return Check(
        "gpu",
        "warning",
        f"none; plan {plan.name} would run on the CPU, too slowly to finish",
        "run it on a machine with a GPU (in Docker: --gpus all)",
    )


def faiss_build() -> Check:
    import faiss
    import torch

    found = faiss.get_num_gpus() if hasattr(faiss, "get_num_gpus") else 0
    message = f"{faiss.__version__}, {found} GPUs"
    if torch.cuda.is_available() and not found:
        return Check(
            "faiss",
            "warning",
            f"{message}: k-means runs on the CPU",
            "install faiss-gpu from requirements.lock: make setup",
        )
    return Check("faiss", "ok", message)


def decoder() -> Check:
    import av

    message = f"PyAV {av.__version__}"
    lacking = [name for name in ("libx264", "aac") if not _can_encode(name)]
    if lacking:
        return Check(
            "decoder", "problem", f"{message} cannot encode {', '.join(lacking)}", "install PyAV's wheel: make setup"
        )
    try:
        version = metadata.version("torchcodec")
    except metadata.PackageNotFoundError:
        return Check("decoder", "ok", f"{message}; torchcodec not installed, PyAV is used")
    try:
        import_module("torchcodec.decoders")
    except (ImportError, OSError, RuntimeError) as error:
        return Check(
            "decoder",
            "warning",
            f"{message}; torchcodec {version} does not load ({str(error).strip().splitlines()[0]})",
            "install FFmpeg's shared libraries, or uninstall torchcodec: PyAV is used meanwhile",
        )
    return Check("decoder", "ok", f"{message}; torchcodec {version}")


def _can_encode(codec: str) -> bool:
    import av

    try:
        av.codec.Codec(codec, "w")
    except (av.error.FFmpegError, ValueError):
        return False
    return True


def shared_memory(plan: Plan, folder: Path = Path("/dev/shm"), wanted: float = 1 * GB) -> Check:
    """Workers of data loaders hand batches over in shared memory; without workers none is needed."""
    from diccae.choices import settings_of

    workers = settings_of(plan, "pretrain", "full").schedule.num_workers
    if not folder.is_dir():
        size, message = 0, f"{folder} does not exist"
    else:
        size = shutil.disk_usage(folder).total
        message = f"{size / GB:.2f} GB in {folder}"
    if workers == 0:
        return Check("shared memory", "ok", f"{message}; plan {plan.name} has no loader workers and needs none")
    if size < wanted:
        return Check(
            "shared memory",
            "warning",
            f"{message}, wanted {wanted / GB:.0f} GB for {workers} loader workers",
            "docker run --shm-size=2g, or schedule.num_workers: 0 in the plan's overrides",
        )
    return Check("shared memory", "ok", message)


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
            "disk", "problem", message, f"free {(need - free) / GB:.1f} GB, or make {folder} a link to a larger disk"
        )
    if need > 0.8 * free:
        return Check("disk", "warning", message, "free some space: other programs write too")
    return Check("disk", "ok", message)


def disk_need(plan: Plan) -> tuple[float, list[str]]:
    """Bytes that the plan still has to write, and the words for what cannot be told yet."""
    from diccae.choices import settings_of

    base, left_out = settings_of(plan, "pretrain", "full").base, []
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
        left_out.append("cache")
    cache = base["cache"]
    if not (plan.cache_dir / "meta.json").is_file():
        need += clips * (
            3 * cache["num_frames"] * cache["frame_size"] ** 2 + 2 * cache["n_mels"] * cache["fbank_frames"]
        )
    if plan.scale == "embedded":
        stages = len(plan.cells()) + 1
        runs = len(plan.seeds) * (stages + sum(map(len, plan.cells().values())))
        made = sum(1 for _ in (plan.results_root() / "runs").glob("*/*/seed*/**/record.json"))
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
    return Check("folders", "ok", "can write " + ", ".join(f"{path} ({name})" for name, path in folders.items()))


def user(uid: int | None = None) -> Check:
    """Snakemake asks for the user's name: an unknown number needs USER."""
    uid = os.getuid() if uid is None else uid
    try:
        return Check("user", "ok", f"{uid} ({pwd.getpwuid(uid).pw_name})")
    except KeyError:
        pass
    if any(os.environ.get(name) for name in ("LOGNAME", "USER", "LNAME", "USERNAME")):
        return Check("user", "ok", f"{uid} (unknown to this system, named {getpass.getuser()} by the environment)")
    return Check(
        "user",
        "problem",
        f"{uid} is unknown to this system and USER is not set, so Snakemake cannot start",
        "export USER=diccae HOME=/tmp XDG_CACHE_HOME=/tmp",
    )


def data(plan: Plan) -> Check:
    """Whether the plan's clips are listed and decoded, and whether the cache belongs to the list."""
    root, embedded = plan.data_root, plan.dataset == "embedded"
    if not plan.manifest.is_file():
        if embedded:
            return Check("data", "ok", f"{root} not rendered yet; the workflow does it")
        return Check(
            "data", "problem", f"{plan.manifest} is missing", "make it from the official lists: diccae data --help"
        )
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
    records = sorted((plan.results_root() / "runs").glob("*/*/seed*/**/record.json"))
    if not records:
        return Check("results", "ok", f"no finished runs in {plan.results_root()}")
    reasons: Counter[str] = Counter()
    stale = 0
    for path in records:
        changed = _changed(plan, path)
        stale += bool(changed)
        reasons.update(changed)
    if not stale:
        return Check("results", "ok", f"{len(records)} finished runs, all made by this code and these configs")
    words = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
    return Check(
        "results",
        "warning",
        f"{stale} of {len(records)} finished runs are stale (changed since: {words})",
        "run the workflow again: it remakes them; or check out the commit that their record.json names",
    )


def _changed(plan: Plan, path: Path) -> list[str]:
    """What of a record is no longer so; a record that cannot be read or composed counts as well."""
    from diccae.compose import Run, compose
    from diccae.hashes import config_hash, data_hash, lock_hash, source_hash

    try:
        record: dict[str, Any] = json.loads(path.read_text())
        run = Run(record["stage"], record["variant"], record["seed"], record["modality"])
        now = {"config": config_hash(compose(plan, run)), "source": source_hash(), "lock": lock_hash()}
    except (ValueError, KeyError, OSError):
        return ["unreadable"]
    except UserError:
        return ["not in the plan"]
    if (plan.cache_dir / "meta.json").is_file() and plan.manifest.is_file():
        now["data"] = data_hash(plan)
    return [name for name, value in now.items() if record.get(f"{name}_hash") != value]


def versions(lock_file: Path = CONFIG_ROOT.parent / "requirements.lock") -> Check:
    """Installed packages against the lock."""
    from packaging.requirements import Requirement

    if not lock_file.is_file():
        return Check(
            "versions",
            "warning",
            f"{lock_file} is missing, nothing to compare with",
            "work in a checkout of the repository",
        )
    wanted = {}
    for line in lock_file.read_text().splitlines():
        if line[:1].isalnum():
            requirement = Requirement(line.rstrip("\\ "))
            if requirement.marker is None or requirement.marker.evaluate():
                wanted[requirement.name] = str(requirement.specifier).removeprefix("==")
    differing, missing = [], []
    for name, version in wanted.items():
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
            continue
        # a build of the same version for other hardware
        if found.split("+")[0] != version:
            differing.append(f"{name} {found} instead of {version}")
    if not missing and not differing:
        return Check("versions", "ok", f"all {len(wanted)} packages as in {lock_file.name}")
    parts = [f"{len(missing)} missing ({_few(missing)})"] if missing else []
    parts += [f"{len(differing)} others ({_few(differing)})"] if differing else []
    return Check("versions", "warning", f"{' and '.join(parts)} of {len(wanted)} in {lock_file.name}", "make setup")


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def examine(plan: Plan) -> list[Check]:
    """Every check; one that breaks is a problem of its own and does not stop the others."""
    checks: dict[str, Callable[[], Check]] = {
        "python": python,
        "versions": versions,
        "torch": torch_build,
        "cuda": cuda,
        "gpu": partial(gpus, plan),
        "faiss": faiss_build,
        "decoder": decoder,
        "shared memory": partial(shared_memory, plan),
        "disk": partial(disk, plan),
        "folders": partial(writable, plan),
        "user": user,
        "data": partial(data, plan),
        "lock": lock,
        "results": partial(results, plan),
    }
    return [guarded(name, check) for name, check in checks.items()]


def guarded(name: str, check: Callable[[], Check]) -> Check:
    """The check, or what broke it: a doctor must outlive broken installations of any kind."""
    try:
        return check()
    except ImportError as error:
        return Check(
            name, "problem", f"cannot be imported: {error}", "install what requirements.lock lists: make setup"
        )
    except Exception as error:
        return Check(
            name, "problem", f"could not be checked: {type(error).__name__}: {error}", "mend what the message names"
        )


def doctor(
    plan: PlanName = "embedded",
    as_json: Annotated[bool, typer.Option("--json", help="A list of checks for programs.")] = False,
) -> None:
    """Look at this machine, installation and data; exit code 1 when something stands in the way of the plan."""
    checks = examine(load_plan(plan))
    if as_json:
        print(json.dumps([asdict(check) for check in checks], indent=1))
    else:
        words = {"ok": "OK", "warning": "warning", "problem": "PROBLEM"}
        for check in checks:
            way_out = f" -> {check.way_out}" if check.way_out else ""
            print(f"{words[check.status]:<7}  {check.name:<13}  {check.message}{way_out}")
    if any(check.status == "problem" for check in checks):
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    app.command()(doctor)
