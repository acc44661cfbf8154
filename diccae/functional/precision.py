"""Float32 inside of the losses, whatever the type of the features and whatever autocast says."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

Function = TypeVar("Function", bound=Callable[..., Any])


def wide(values: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The values in float32; float64 stays float64. Gradients come back in the original type."""
    return values if values.dtype in (torch.float32, torch.float64) else values.float()


def wide_rows(features: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
    """As `wide`, for features whose rows are scaled to unit length.

    A row of zeros, as a ReLU can leave, has no direction, and so a gradient of zero; it would
    otherwise be divided by a length of 1e-12.
    """
    widened = wide(features)
    return torch.where((features == 0).all(-1, keepdim=True), widened.detach(), widened)


def without_autocast(function: Function) -> Function:
    """Turn autocast off while `function` runs, for the device of its first tensor."""

    @wraps(function)
    def run(*args: Any, **options: Any) -> Any:
        values = (*args, *options.values())
        device = next((value.device.type for value in values if isinstance(value, Tensor)), "cpu")
        if not _has_autocast(device):
            return function(*args, **options)
        with torch.autocast(device, enabled=False):
            return function(*args, **options)

    return run  # type: ignore[return-value]


def _has_autocast(device: str) -> bool:
    # the function is newer than the oldest PyTorch that the losses run with
    known = getattr(torch.amp, "is_autocast_available", None)
    return device in ("cpu", "cuda") if known is None else bool(known(device))
