"""Threads and instruction sets that this process really computes with."""

from __future__ import annotations

import os
from typing import Any

import torch

from diccae.errors import UserError
from diccae.kernels import check_processor, differences, environment
from diccae.sections import Runtime


def held(runtime: Runtime) -> dict[str, Any]:
    """What the record of a run states: the plan's choice, torch's threads and instruction set, and
    the environment variables that were set for it."""
    wanted = _environment(runtime)
    return {
        **runtime.model_dump(),
        "torch_threads": torch.get_num_threads(),
        "torch_instructions": torch.backends.cpu.get_cpu_capability(),
        "environment": {name: os.environ[name] for name in sorted(wanted) if name in os.environ},
    }


def require(runtime: Runtime) -> None:
    """Check that this process computes as the plan says: one run key stands for one result.

    Raises:
        UserError: threads or instruction set are others, or the processor cannot compute as the
            plan says; names the way out.
    """
    check_processor(runtime.kernels)
    wanted = _environment(runtime)
    other = differences(wanted, os.environ)
    if torch.get_num_threads() != runtime.threads:
        other.append(f"torch uses {torch.get_num_threads()} threads instead of {runtime.threads}")
    instructions = torch.backends.cpu.get_cpu_capability()
    if wanted["ATEN_CPU_CAPABILITY"] is not None and instructions != "AVX2":
        other.append(f"torch uses {instructions} instead of AVX2")
    if other:
        last = ", deterministic=True" if runtime.deterministic else ""
        raise UserError(
            f"runtime: the plan wants kernels {runtime.kernels} and {runtime.threads} threads, but "
            f"in this process {other[0]}{', ...' if other[1:] else ''}; train with `diccae train`, "
            f"or call diccae.kernels.fix({runtime.kernels!r}, {runtime.threads}{last}) before "
            "torch and numpy are imported"
        )


def _environment(runtime: Runtime) -> dict[str, str | None]:
    return environment(runtime.kernels, runtime.threads, runtime.deterministic)
