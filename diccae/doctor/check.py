"""The result of one check of `diccae doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "problem"]
GB = 1e9


@dataclass(frozen=True)
class Check:
    """The result of one check, printed as one line.

    Attributes:
        name: what was checked.
        status: `problem` where the plan cannot run, `warning` where it may run badly.
        message: what was found.
        way_out: what to do; empty where nothing needs to be done.
    """

    name: str
    status: Status
    message: str
    way_out: str = ""


def shorten(names: list[str]) -> str:
    """The first three names, and an ellipsis where there are more."""
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
