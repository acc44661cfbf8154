"""What training must find on the machine that it was started on, for example by a scheduler."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from pathlib import Path

from diccae.errors import UserError
from diccae.plans import Plan


def require_runs(plan: Plan) -> None:
    """In a Slurm job, check that the node has the manifest and what runs read.

    Raises:
        UserError: see `require_visible`.
    """
    from diccae.clips_folder import clips_command, clips_folder

    require_visible([plan.manifest], f"`{plan.manifest_command}` makes it")
    require_visible([clips_folder(plan) / "meta.json"], f"`{clips_command(plan)}` makes it")


def require_clips(plan: Plan) -> None:
    """In a Slurm job, check that the node has the manifest, the folders of the clips, and the
    weights or vectors of stored features.

    Without this check, the clips of a folder that is not mounted on the node count as clips whose
    files are missing.

    Raises:
        UserError: see `require_visible`.
    """
    from diccae.feature_settings import features_of
    from diccae.settings import plan_settings

    require_visible([plan.manifest], f"`{plan.manifest_command}` makes it")
    features = features_of(plan_settings(plan))
    sources = () if features is None else features.sources.values()
    files = [source.weights or source.file or "" for source in sources]
    media = [source.media for source in plan.lists.sources] if plan.lists else []
    require_visible(
        [Path(path) for path in (*media, *files) if path], "docs/data.md says what it is"
    )


def require_visible(paths: Iterable[Path], way_out: str) -> None:
    """In a Slurm job, check that files and folders are there; no effect elsewhere.

    Args:
        paths: of files, and of folders that are not empty where their file system is mounted.
        way_out: what to do if they are on no node.

    Raises:
        UserError: one is missing or an empty folder; names its path and the node.
    """
    job, host = os.environ.get("SLURM_JOB_ID"), socket.gethostname()
    for path in paths if job else ():
        empty = path.is_dir() and not any(path.iterdir())
        if path.exists() and not empty:
            continue
        target = f" -> {os.path.realpath(path)}" if path.is_symlink() else ""
        raise UserError(
            f"{path.absolute()}{target} is {'empty' if empty else 'missing'} on node {host} (Slurm "
            f"job {job}); if other nodes have it, mount its file system there under the same path, "
            f"or leave the node out (slurm_extra: \"'--exclude={host}'\" under default-resources "
            f"in the profile); if none has it, {way_out}"
        )


def require_gpus() -> None:
    """Under torchrun, check that each process of this machine has a GPU of its own; without any
    GPU, all train on the CPU.

    Raises:
        UserError: there are GPUs, but fewer than processes.
    """
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if processes == 1:
        return
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if 0 < gpus < processes:
        raise UserError(
            f"torchrun started {processes} processes on {socket.gethostname()}, where torch finds "
            f"{gpus} GPU(s), and each process needs its own; use --nproc-per-node {gpus}, or set "
            "CUDA_VISIBLE_DEVICES= to train on the CPU"
        )
