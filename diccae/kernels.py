"""Threads and instruction sets of the numerical libraries, on which last digits depend.

The libraries read them from the environment when they are loaded, so this module imports none of
them. A plan chooses with `runtime.kernels` and `runtime.threads`.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from diccae.errors import UserError

Kernels = Literal["portable", "fastest"]
# what loads a library that reads the environment
LIBRARIES = ("torch", "numpy", "faiss", "cv2", "scipy")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# Instruction sets of oneDNN, ATen, faiss, OpenBLAS and NumPy (both generations of its names): AVX2,
# also where a processor has AVX-512, so that both give the same numbers.
AVX2 = {
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "FAISS_OPT_LEVEL": "avx2",
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512F AVX512_SKX AVX512_ICL AVX512_SPR",
}
# MKL chooses its kernels by the vendor of the processor unless it is told not to
PORTABLE = {"MKL_CBWR": "COMPATIBLE"}
# without it, torch refuses products of cuBLAS among deterministic algorithms
DETERMINISTIC = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
# further variables that change numbers or threads, and that no plan sets
UNSET = (
    "CUBLAS_WORKSPACE_CONFIG",
    "DNNL_MAX_CPU_ISA",
    "DNNL_DEFAULT_FPMATH_MODE",
    "GOTO_NUM_THREADS",
    "MKL_CBWR",
    "MKL_DOMAIN_NUM_THREADS",
    "MKL_DYNAMIC",
    "MKL_ENABLE_INSTRUCTIONS",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_DYNAMIC",
    "OMP_THREAD_LIMIT",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
)


def has_avx2(
    machine: str | None = None, cpuinfo: Path = Path("/proc/cpuinfo"), needed: str = "avx2 fma"
) -> bool:
    """Whether this is an x86-64 processor with AVX2.

    Args:
        machine: kind of processor, e.g. `aarch64`; None for the present one.
        cpuinfo: Linux's description of the processor; without it the answer is no.
        needed: names of the features.
    """
    if (machine or platform.machine()) not in ("x86_64", "AMD64") or not cpuinfo.is_file():
        return False
    for line in cpuinfo.read_text().splitlines():
        if line.startswith("flags"):
            return set(needed.split()) <= set(line.split(":", 1)[1].split())
    return False


def environment(
    kernels: Kernels, threads: int, deterministic: bool = False, *, avx2: bool | None = None
) -> dict[str, str | None]:
    """The environment variables that the libraries must be loaded with; None for those to unset.

    Args:
        kernels: `portable` for the same numbers on every x86-64 processor with AVX2, `fastest` to
            let MKL choose by the processor.
        threads: threads of one run.
        deterministic: whether a GPU is to compute with deterministic algorithms alone.
        avx2: whether the processor has AVX2, without which the threads alone are fixed; None to ask
            it.
    """
    avx2 = has_avx2() if avx2 is None else avx2
    wanted: dict[str, str | None] = dict.fromkeys([*UNSET, *AVX2])
    wanted |= dict.fromkeys(THREADS, str(threads))
    if deterministic:
        wanted |= DETERMINISTIC
    if avx2:
        wanted |= AVX2 | (PORTABLE if kernels == "portable" else {})
    return wanted


def check_processor(kernels: Kernels, avx2: bool | None = None) -> None:
    """Refuse `portable` on a processor that it is not defined for.

    Args:
        kernels: the plan's choice.
        avx2: whether the processor has AVX2; None to ask it.

    Raises:
        UserError: there is no AVX2; names the ways out.
    """
    if kernels == "portable" and not (has_avx2() if avx2 is None else avx2):
        raise UserError(
            "runtime.kernels: portable needs an x86-64 processor with AVX2 and Linux, and this is "
            f"{platform.machine()} with {platform.system()} and without AVX2; use another machine, "
            "or set runtime.kernels: fastest in the plan"
        )


def fix(kernels: Kernels = "portable", threads: int = 1, deterministic: bool = False) -> None:
    """Set the environment for the libraries, whatever it was before.

    Where a library is loaded already, in a notebook for example, nothing is changed, since it would
    have no effect; training checks what holds (`diccae.engine.held_kernels`).
    """
    if loaded(sys.modules):
        return
    for name, value in environment(kernels, threads, deterministic).items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def loaded(modules: Iterable[str]) -> bool:
    """Whether one of the numerical libraries is among the modules."""
    return not set(LIBRARIES).isdisjoint(modules)


def differences(wanted: Mapping[str, str | None], found: Mapping[str, str]) -> list[str]:
    """Variables whose values are not those wanted, in words."""
    return [
        f"{name} is {found.get(name, 'not set')} instead of {value or 'not set'}"
        for name, value in wanted.items()
        if found.get(name) != value
    ]
