"""What a check of a results folder found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What was found in a results folder.

    Attributes:
        kind: edited, stale, mixed, missing, code or data.
        where: file or run, and what of it.
        message: in words.
        problem: False for what a reader should know but no number depends on.
    """

    kind: str
    where: str
    message: str
    problem: bool = True

    def __str__(self) -> str:
        return f"{self.kind if self.problem else 'note'}: {self.where}: {self.message}"
