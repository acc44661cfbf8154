"""The table of equations in CONTRIBUTING.md names functions and tests that exist."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = re.findall(
    r"^\| .* \| `(\w+)\.(\w+)` \| `(\w+\.py)::(\w+)` \|$",
    (ROOT / "CONTRIBUTING.md").read_text(),
    flags=re.MULTILINE,
)


@pytest.mark.parametrize(("module", "function", "file", "test"), ROWS)
def test_row(module: str, function: str, file: str, test: str) -> None:
    documented = getattr(import_module(f"diccae.functional.{module}"), function).__doc__
    assert documented
    assert f"def {test}(" in (ROOT / "tests" / "functional" / file).read_text()


def test_every_equation_has_a_row() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert all(f"| Eq. {number}, " in text for number in range(1, 5))
    assert len(ROWS) >= 16
