"""The digest by which `diccae verify` checks that a report shows the current tables."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path


def tables_seal(root: Path) -> str:
    """Digest of names and contents of the tables in a results folder: 16 hex digits of SHA-256."""
    hasher = hashlib.sha256()
    for path in sorted([*root.glob("*.csv"), *root.glob("ablations/*.csv")]):
        hasher.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return hasher.hexdigest()[:16]


def page_seal(page: Path) -> str | None:
    """The digest of the tables from which the page was created; None for a page without it."""
    match = re.search(
        r'<meta name="diccae-tables" content="([0-9a-f]+)">', page.read_text(encoding="utf-8")
    )
    return match[1] if match else None
