"""Workarounds for defects of dependencies, all in this module.

Each function names the defect; delete it when a release fixes it.
"""

from __future__ import annotations

import sys
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from diccae.checkpoints import latest_checkpoint
from diccae.errors import UserError
from diccae.whole_file import whole_file


def provide_missing_drn() -> None:
    """Provide `mmaction.models.localizers.drn`, which mmaction2 1.2.0's wheel lacks.

    Without it `mmaction.models` cannot be imported (open-mmlab/mmaction2#2714).
    """
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


def leave_out_text_models() -> None:
    """Make mmaction2 leave out its models of video and text, which nothing here uses.

    mmaction2 1.2.0 imports them where transformers is installed, and they import names that
    transformers 5 no longer has, so that `mmaction.models` could not be imported.
    """
    from mmaction.utils import dependency

    dependency.WITH_MULTIMODAL = False


def write_checkpoints_atomically() -> None:
    """Make mmengine write files atomically and flush them to the disk.

    mmengine 0.10.7 writes checkpoints in place, so that a process that is killed can leave an
    incomplete file.
    """
    from mmengine.fileio import LocalBackend, register_backend

    class AtomicLocalBackend(LocalBackend):
        def put(self, obj: bytes | memoryview, filepath: str | Path) -> None:
            with whole_file(Path(filepath)) as temporary, open(temporary, "wb") as handle:
                handle.write(obj)

        def put_text(self, obj: str, filepath: str | Path, encoding: str = "utf-8") -> None:
            self.put(obj.encode(encoding), filepath)

    register_backend("local", AtomicLocalBackend, prefixes="", force=True)


def resume_from_complete_checkpoints() -> None:
    """Make `resume` of mmengine's Runner take the newest checkpoint that is complete.

    mmengine 0.10.7 takes the one that the file `last_checkpoint` names, by its absolute path, even
    if a crash cut off either of the two.
    """
    from mmengine.runner import runner

    def find_latest_checkpoint(path: str) -> str | None:
        found = latest_checkpoint(Path(path))
        return None if found is None else str(found)

    runner.find_latest_checkpoint = find_latest_checkpoint


def print_user_errors_as_sentences() -> None:
    """Print a `UserError` that ends the process as one sentence, as `diccae` does.

    mmaction2's tools would print a traceback of mmengine's registries.
    """
    if sys.excepthook is _print_error:
        return
    _previous_hook[:] = [sys.excepthook]
    sys.excepthook = _print_error


_previous_hook: list[Callable[..., object]] = []


def _print_error(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    if isinstance(error, UserError):
        print(f"diccae: {error}", file=sys.stderr)
    else:
        # taken away, since the hook of torch.distributed calls the one that it found, which may be
        # this one
        previous = _previous_hook.pop() if _previous_hook else sys.__excepthook__
        previous(kind, error, trace)


def silence_missing_operators() -> None:
    """Silence mmcv-lite's warning at import about a compiled operator that nothing here uses."""
    warnings.filterwarnings("ignore", message="Fail to import ``MultiScaleDeformableAttention``")


def silence_file_client() -> None:
    """Silence what mmengine 0.10.7 logs each time that one of its own hooks and its Runner use its
    deprecated FileClient."""
    from mmengine.fileio import file_client

    file_client.print_log = lambda *message, **options: None


def apply() -> None:
    """Apply every workaround; calling it again has no further effect."""
    provide_missing_drn()
    leave_out_text_models()
    write_checkpoints_atomically()
    resume_from_complete_checkpoints()
    print_user_errors_as_sentences()
    silence_missing_operators()
    silence_file_client()
