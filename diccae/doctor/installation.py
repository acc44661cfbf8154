"""Python and the packages, against the lock."""

from __future__ import annotations

import platform
import sys
from importlib import import_module, metadata
from pathlib import Path

from diccae.doctor.check import Check, few
from diccae.plans import CONFIG_ROOT


def python() -> Check:
    found = platform.python_version()
    if (3, 11) <= sys.version_info[:2] <= (3, 12):
        return Check("python", "ok", found)
    return Check(
        "python", "problem", f"{found}, wanted 3.11 or 3.12", "make setup PYTHON=python3.11"
    )


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
    parts = [f"{len(missing)} missing ({few(missing)})"] if missing else []
    parts += [f"{len(differing)} others ({few(differing)})"] if differing else []
    return Check(
        "versions",
        "warning",
        f"{' and '.join(parts)} of {len(wanted)} in {lock_file.name}",
        "make setup",
    )


def torch_build() -> Check:
    import torch

    return Check("torch", "ok", f"{torch.__version__}, {torch.get_num_threads()} threads")


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
            "decoder",
            "problem",
            f"{message} cannot encode {', '.join(lacking)}",
            "install PyAV's wheel: make setup",
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
