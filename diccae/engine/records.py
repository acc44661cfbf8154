"""The record of a run (commit, versions, hardware, settings), and atomic writes of result files."""

from __future__ import annotations

import io
import json
import os
import platform
import resource
import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from diccae.checkout import git
from diccae.engine.held_kernels import held
from diccae.hashes import record_digest
from diccae.run_graph import Run
from diccae.stopwatch import Stopwatch
from diccae.whole_file import whole_file

if TYPE_CHECKING:
    from diccae.engine.runs import Origin

PACKAGES = (
    "torch",
    "torchaudio",
    "torchvision",
    "mmaction2",
    "mmengine",
    "faiss-gpu",
    "numpy",
    "pandas",
    "av",
    "snakemake",
)


def commit() -> tuple[str, bool]:
    """The commit of the checkout, and whether tracked files differ from it.

    A container image sets DICCAE_COMMIT to the output of `git describe --dirty`. Without it, and
    where the checkout is not the root of a git repository that has the package, the commit is
    'unknown'.
    """
    if "DICCAE_COMMIT" in os.environ:
        stated = os.environ["DICCAE_COMMIT"]
        return stated.removesuffix("-dirty"), stated.endswith("-dirty")
    head, changes = git("rev-parse", "HEAD"), git("status", "--porcelain", "--untracked-files=no")
    if head is None or changes is None:
        return "unknown", False
    return head.decode().strip(), bool(changes.strip())


def hardware() -> dict[str, Any]:
    """Model of the CPU, number of usable cores, and name of the GPU (None without one)."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [
            line.split(":", 1)[1].strip()
            for line in cpuinfo.read_text().splitlines()
            if line.startswith("model name")
        ]
        model = names[0] if names else model
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "gpu": gpu}


def build_record(
    run: Run, origin: Origin, files: dict[str, str], compute: dict[str, Any], watch: Stopwatch
) -> dict[str, Any]:
    """Content of a run's `record.json`; its `digest` is that of all the rest.

    Args:
        run: the run.
        origin: what its numbers depend on.
        files: digests of the other files in its folder, by name.
        compute: parameters, operations and clips, see `compute_of`.
        watch: measures wall and CPU time since the start of the training.
    """
    head, dirty = commit()
    record = {
        "plan": run.plan.name,
        "system": run.settings.system.name,
        "stage": run.stage,
        "variant": run.variant,
        "modality": run.modality,
        "seed": run.seed,
        "fold": run.fold,
        "key": origin.key,
        **origin.parts,
        "files": files,
        "commit": head,
        "dirty": dirty,
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in PACKAGES},
        },
        "kernels": held(run.settings.runtime),
        "hardware": hardware(),
        "compute": compute,
        "wall_seconds": round(watch.wall(), 2),
        "cpu_seconds": round(watch.cpu(), 2),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "started": watch.started.isoformat(timespec="seconds"),
        "settings": run.settings.as_record(),
    }
    return record | {"digest": record_digest(record)}


def write_atomically(path: Path, content: Any) -> None:
    """Write a file in the format of its suffix (.json, .csv, .parquet, .npz or .pth), first under a
    temporary name.

    Raises:
        UserError: the disk is full or the folder is read-only; an old file is kept.
    """
    writers: dict[str, Callable[[Any, Any], None]] = {
        ".json": lambda value, handle: handle.write(
            (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()
        ),
        ".csv": lambda value, handle: handle.write(
            value.to_csv(index=False, float_format="%.6f").encode()
        ),
        ".parquet": lambda value, handle: value.to_parquet(handle, index=False),
        ".npz": _write_npz,
        ".pth": lambda value, handle: torch.save(value, handle),
    }
    with whole_file(path) as temporary, open(temporary, "wb") as handle:
        writers[path.suffix](content, handle)


def _write_npz(arrays: dict[str, np.ndarray], handle: Any) -> None:
    """np.savez with fixed time stamps, so that equal arrays give equal bytes."""
    with zipfile.ZipFile(handle, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asanyarray(array), allow_pickle=False)
            archive.writestr(
                zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0)), buffer.getvalue()
            )
