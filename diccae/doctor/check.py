"""One line of the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "problem"]
GB = 1e9


@dataclass(frozen=True)
class Check:
    """One line of the doctor; `way_out` says what to do, and is empty where nothing needs doing."""

    name: str
    status: Status
    message: str
    way_out: str = ""


def few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
