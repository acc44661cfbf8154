"""The one place that works around defects of dependencies. Each function names the defect; delete it when a release mends it."""

from __future__ import annotations

import os
import sys
import types
import warnings
from pathlib import Path


def provide_missing_drn() -> None:
    """mmaction2 1.2.0's wheel lacks `mmaction.models.localizers.drn`, so `mmaction.models` does not import (open-mmlab/mmaction2#2714)."""
    name = "mmaction.models.localizers.drn"
    if name in sys.modules:
        return
    package, module = types.ModuleType(name), types.ModuleType(f"{name}.drn")

    class DRN:
        def __init__(self, *args: object, **kwargs: object) -> None:
            raise NotImplementedError(
                "DRN is not part of the mmaction2 1.2.0 wheel (open-mmlab/mmaction2#2714)"
            )

    module.DRN = DRN  # type: ignore[attr-defined]
    package.drn = module  # type: ignore[attr-defined]
    package.__path__ = []
    sys.modules[name], sys.modules[f"{name}.drn"] = package, module


def write_checkpoints_atomically() -> None:
    """mmengine 0.10.7 writes checkpoints in place, so kill -9 can leave a torn file: write beside it, sync, rename."""
    from mmengine.fileio import LocalBackend, register_backend

    class AtomicLocalBackend(LocalBackend):
        def put(self, obj: bytes | memoryview, filepath: str | Path) -> None:
            target = Path(filepath)
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_name(f"{target.name}.{os.getpid()}.tmp")
            try:
                with open(temporary, "wb") as handle:
                    handle.write(obj)
                    handle.flush()
                    os.fsync(handle.fileno())
                os.replace(temporary, target)
            finally:
                temporary.unlink(missing_ok=True)

    register_backend("local", AtomicLocalBackend, prefixes="", force=True)


def silence_missing_operators() -> None:
    """mmcv-lite warns at import that it lacks a compiled operator, which nothing here uses."""
    warnings.filterwarnings("ignore", message="Fail to import ``MultiScaleDeformableAttention``")


def apply() -> None:
    """Apply every workaround; safe to call twice."""
    provide_missing_drn()
    write_checkpoints_atomically()
    silence_missing_operators()
