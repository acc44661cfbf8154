"""Checks of Python, of the installed packages and of the decoders."""

from __future__ import annotations

import platform
import sys
from importlib import import_module, metadata
from pathlib import Path

from diccae.doctor.check import Check, Status, shorten
from diccae.errors import UserError
from diccae.plans import CONFIG_ROOT, Plan


def python() -> Check:
    """Check the version of Python."""
    found = platform.python_version()
    if (3, 11) <= sys.version_info[:2] <= (3, 12):
        return Check("python", "ok", found)
    return Check(
        "python", "problem", f"{found}, wanted 3.11 or 3.12", "make setup PYTHON=python3.11"
    )


def versions(lock_file: Path = CONFIG_ROOT.parent / "requirements.lock") -> Check:
    """Compare the versions of installed packages with the lock."""
    from packaging.requirements import Requirement

    if not lock_file.is_file():
        return Check(
            "versions",
            "warning",
            f"{lock_file} is missing, so versions cannot be compared",
            "run the command in a checkout of the repository",
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
        # without the local version, which names the hardware of a build
        if found.split("+")[0] != version:
            differing.append(f"{name} {found} instead of {version}")
    if not missing and not differing:
        return Check("versions", "ok", f"all {len(wanted)} packages as in {lock_file.name}")
    parts = [f"{len(missing)} missing ({shorten(missing)})"] if missing else []
    parts += [f"{len(differing)} of other versions ({shorten(differing)})"] if differing else []
    return Check(
        "versions",
        "warning",
        f"{' and '.join(parts)} of {len(wanted)} in {lock_file.name}",
        "make setup",
    )


def torch_build() -> Check:
    """Report the version of torch."""
    import torch

    return Check("torch", "ok", torch.__version__)


def kernels(plan: Plan) -> Check:
    """Check that this process computes with the threads and instruction sets of the plan."""
    from diccae.engine.held_kernels import held, require

    try:
        require(plan.runtime)
    except UserError as error:
        message, _, way_out = str(error).partition("; ")
        return Check("kernels", "problem", message, way_out)
    found = held(plan.runtime)
    return Check(
        "kernels",
        "ok",
        f"{plan.runtime.kernels}, {found['torch_instructions']}, threads of a run: "
        f"{found['torch_threads']}",
    )


def faiss_build() -> Check:
    """Check that faiss uses the GPUs that torch sees."""
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


def decoder(plan: Plan) -> Check:
    """Check that clips can be decoded by the plan's decoder and encoded for the benchmark."""
    import av

    from diccae.settings import settings_of

    wanted = settings_of(plan, "pretrain", "full").base["cache"]["decoder"]
    failed: Status = "problem" if wanted == "torchcodec" else "warning"

    message = f"PyAV {av.__version__}"
    missing = [name for name in ("libx264", "aac") if not _can_encode(name)]
    if missing:
        return Check(
            "decoder",
            "problem",
            f"{message} cannot encode {', '.join(missing)}",
            "install PyAV's wheel: make setup",
        )
    try:
        version = metadata.version("torchcodec")
    except metadata.PackageNotFoundError:
        message += f"; torchcodec not installed; the plan uses {wanted}"
        if wanted == "torchcodec":
            return Check("decoder", failed, message, "pip install -e '.[torchcodec]'")
        return Check("decoder", "ok", message)
    try:
        import_module("torchcodec.decoders")
    except (ImportError, OSError, RuntimeError) as error:
        return Check(
            "decoder",
            failed,
            f"{message}; torchcodec {version} cannot be imported "
            f"({str(error).strip().splitlines()[0]}); the plan uses {wanted}",
            "install FFmpeg's shared libraries, or uninstall torchcodec and use PyAV",
        )
    return Check("decoder", "ok", f"{message}; torchcodec {version}; the plan uses {wanted}")


def _can_encode(codec: str) -> bool:
    import av

    try:
        av.codec.Codec(codec, "w")
    except (av.error.FFmpegError, ValueError):
        return False
    return True
