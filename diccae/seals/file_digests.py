"""SHA-256 digests of files, each computed once in a check."""

from __future__ import annotations

from pathlib import Path

from diccae.digests import file_digest


class FileDigests:
    """Digests by path, remembered from the first time that they were asked for."""

    def __init__(self) -> None:
        self._known: dict[str, str | None] = {}

    def of(self, path: str | Path) -> str | None:
        """64 hex digits of the SHA-256 of a file; None where it does not exist or cannot be
        read."""
        name = str(path)
        if name not in self._known:
            try:
                self._known[name] = file_digest(Path(path))
            # ValueError: no name of a file, in a record that was edited
            except (OSError, ValueError):
                self._known[name] = None
        return self._known[name]
