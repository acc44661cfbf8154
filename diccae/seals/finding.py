"""What a check of a results folder found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Finding:
    """What was found in a results folder.

    Attributes:
        kind: edited, missing, extra, data (a file is not what it was, or is not there); stale (it
            does not follow from other files, configs, code or plan as they are now); mixed, code.
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

    def accuses(self, path: str | Path) -> bool:
        """Whether it says that this file itself was changed."""
        rest = self.where.removeprefix(str(path))
        named = rest != self.where and rest[:1] in ("", " ", ",")
        return named and self.problem and self.kind != "stale"
