"""The checkpoint from which training resumes."""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path

NAME = re.compile(r"(?:epoch|iter)_(\d+)\.pth")


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint of a work folder, None without one.

    Damaged ones are named in the log and passed over; partly written files are removed.
    """
    for partial in folder.glob(".*.pth.tmp"):
        partial.unlink(missing_ok=True)
    numbers = {path: match for path in folder.glob("*.pth") if (match := NAME.fullmatch(path.name))}
    damaged: list[Path] = []
    for path in sorted(numbers, key=lambda path: int(numbers[path][1]), reverse=True):
        if _is_complete(path):
            _report(damaged, f"resuming from {path.name}")
            return path
        damaged.append(path)
    _report(damaged, "there is no other checkpoint: training starts again")
    return None


def _is_complete(path: Path) -> bool:
    # checkpoints are zip files: the directory is at the end, and each entry has a checksum
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError):
        return False


def _report(damaged: list[Path], consequence: str) -> None:
    for path in damaged:
        print(f"{path} is empty or damaged; {consequence}", flush=True)
