"""Which library decodes a file: PyAV, or torchcodec for files of which it gives the same frames."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Literal, get_args

from diccae.datasets import pyav_media
from diccae.errors import UserError
from diccae.sections import Modality

Backend = Literal["pyav", "torchcodec"]


def decoder_of(path: Path, backend: Backend, modality: Modality = "AV") -> Backend:
    """The library that decodes a file where `backend` is chosen.

    It is PyAV for every file for which torchcodec is known to give other frames, and for every file
    of which only the sound is asked for.

    Raises:
        MediaError: a stream is missing.
        av.FFmpegError: PyAV cannot decode the file.
    """
    return backend if _module(backend).takes(path, modality) else "pyav"


def require_backend(backend: Backend) -> None:
    """Check that a backend is known and can be imported.

    Raises:
        UserError: it is not.
    """
    if backend not in get_args(Backend):
        raise UserError(f"cache.decoder: wanted pyav or torchcodec, got {backend!r}")
    _module(backend)


def module_for(path: Path, backend: Backend, modality: Modality) -> ModuleType:
    """The module that decodes a file; see `decoder_of` for arguments and errors."""
    return _module(decoder_of(path, backend, modality))


def _module(backend: Backend) -> ModuleType:
    if backend == "pyav":
        return pyav_media
    try:
        from diccae.datasets import torchcodec_media
    except (ImportError, OSError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"cache.decoder: torchcodec cannot be imported ({reason}); run `pip install "
            "-e '.[torchcodec]'` and install FFmpeg's shared libraries, or set cache.decoder "
            "to pyav in the plan"
        ) from None
    return torchcodec_media
