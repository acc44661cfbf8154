"""Checks of the driver, GPUs, shared memory and user."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import subprocess
from pathlib import Path

from diccae.doctor.check import GB, Check
from diccae.plans import Plan
from diccae.shared_memory import FOLDER, shortage, wanted_bytes

OLDEST_DRIVER = 525


def driver_version() -> str | None:
    """Version of the NVIDIA driver; None without one."""
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
    """Check that the driver supports the CUDA version that torch was built for."""
    import torch

    build, driver = torch.version.cuda, driver_version()
    message = (
        f"torch is built for {f'CUDA {build}' if build else 'the CPU'}, driver {driver or 'none'}"
    )
    if build is None and driver is not None:
        return Check("cuda", "warning", message, "install torch from requirements.lock: make setup")
    if driver is not None and int(driver.split(".")[0]) < OLDEST_DRIVER:
        return Check(
            "cuda",
            "warning",
            message,
            f"install an NVIDIA driver >= {OLDEST_DRIVER}; until then runs use the CPU",
        )
    return Check("cuda", "ok", message)


def gpus(plan: Plan) -> Check:
    """Check that torch sees a GPU where the plan needs one."""
    import torch

    from diccae.settings import plan_settings

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count:
        devices = [torch.cuda.get_device_properties(index) for index in range(count)]
        return Check(
            "gpu",
            "ok",
            ", ".join(f"{device.name} ({device.total_memory / GB:.0f} GB)" for device in devices),
        )
    driver = driver_version()
    if driver is not None:
        return Check(
            "gpu",
            "warning",
            f"the driver ({driver}) is installed, but torch sees no GPU",
            "check nvidia-smi and CUDA_VISIBLE_DEVICES",
        )
    if plan_settings(plan)["schedule"]["precision"] == "float32":
        return Check("gpu", "ok", f"none; plan {plan.name} runs on the CPU")
    return Check(
        "gpu",
        "warning",
        f"none; plan {plan.name} would run on the CPU, too slowly to finish",
        "run it on a machine with a GPU (in Docker: --gpus all)",
    )


def shared_memory(plan: Plan, folder: Path = FOLDER) -> Check:
    """Check the size of shared memory, through which workers of data loaders pass batches.

    Args:
        plan: the plan; without workers it needs no shared memory.
        folder: where shared memory is mounted.
    """
    from diccae.settings import plan_settings

    base = plan_settings(plan)
    found = shortage(base, plan.modality, folder)
    if found is not None:
        return Check("shared memory", "problem", *found)
    wanted = wanted_bytes(base, plan.modality)
    if not wanted:
        message = f"not needed: plan {plan.name} uses no loader workers"
        return Check("shared memory", "ok", message)
    size = shutil.disk_usage(folder).free
    return Check(
        "shared memory", "ok", f"{size / GB:.2g} GB free in {folder}, {wanted / GB:.2g} GB needed"
    )


def user(uid: int | None = None) -> Check:
    """Check that the user has a name, which Snakemake needs.

    Args:
        uid: the user's number; None for the present user.
    """
    uid = os.getuid() if uid is None else uid
    try:
        name = pwd.getpwuid(uid).pw_name
        return Check("user", "ok", f"{uid} ({name}); Snakemake needs a user with a name")
    except KeyError:
        pass
    if any(os.environ.get(name) for name in ("LOGNAME", "USER", "LNAME", "USERNAME")):
        return Check(
            "user",
            "ok",
            f"{uid} (unknown to this system, named {getpass.getuser()} by the environment)",
        )
    return Check(
        "user",
        "problem",
        f"{uid} is unknown to this system and USER is not set, so Snakemake cannot start",
        "export USER=diccae HOME=/tmp XDG_CACHE_HOME=/tmp",
    )
