"""The import layers of pyproject.toml, and imports that must not load torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def test_import_layers() -> None:
    result = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import diccae.workflow as w; w.load_workflow()", {"torch", "faiss", "mmaction"}),
        (
            "from diccae.reporting import crate, diagnostics, html",
            {"torch", "faiss", "mmengine", "mmaction"},
        ),
        (
            "import diccae.cli.main, diccae.reporting.look; from diccae.artifact import _function;"
            " from diccae.artifacts import TABLES;"
            " [_function(name) for each in TABLES for name in (each.write, each.draw) if name]",
            {"torch", "faiss", "mmengine", "mmaction", "sklearn", "av", "cv2", "snakemake"},
        ),
    ],
    ids=["workflow", "reporting", "look"],
)
def test_workflow_reporting_and_look_load_no_torch(code: str, absent: set[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print({absent} & sys.modules.keys())"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "set()"
