"""The digest that ties a report to the tables it shows."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path


def tables_seal(root: Path) -> str:
    """Digest of the names and bytes of all tables of a results folder, runs and reference aside."""
    hasher = hashlib.sha256()
    for path in sorted([*root.glob("*.csv"), *root.glob("ablations/*.csv")]):
        hasher.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return hasher.hexdigest()[:16]


def page_seal(page: Path) -> str | None:
    """What `tables_seal` was when the page was rendered; None for a page without it."""
    match = re.search(
        r'<meta name="diccae-tables" content="([0-9a-f]+)">', page.read_text(encoding="utf-8")
    )
    return match[1] if match else None
