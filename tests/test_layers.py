"""The import layers of pyproject.toml, and imports that must not load torch."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
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


def test_contributing_names_every_layer() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(each["layers"] for each in contracts["contracts"] if each["name"] == "layers")
    wanted = {name.strip().removeprefix("diccae.") for line in layers for name in line.split("|")}
    page = (ROOT / "CONTRIBUTING.md").read_text().partition("## Layers")[2].partition("\n## ")[0]
    starts = re.findall(r"^    (\S+(?: \| \S+)*)", page, flags=re.MULTILINE)
    assert wanted <= {name for line in starts for name in line.split(" | ")}


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import diccae.workflow as w; w.load_workflow()", {"torch", "faiss", "mmaction"}),
        (
            "from diccae.reporting import crate, diagnostics, html",
            {"torch", "faiss", "mmengine", "mmaction"},
        ),
        # at the end of every job of training
        ("import diccae.interim", {"torch", "scipy.stats", "matplotlib"}),
        (
            "import diccae.cli.main, diccae.reporting.look; from diccae.artifact import _function;"
            " from diccae.artifacts import TABLES;"
            " [_function(name) for each in TABLES for name in (each.write, each.draw) if name]",
            {"torch", "faiss", "mmengine", "mmaction", "sklearn", "av", "cv2", "snakemake"},
        ),
    ],
    ids=["workflow", "reporting", "interim page", "look"],
)
def test_heavy_libraries_are_loaded_where_they_are_used(code: str, absent: set[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print({absent} & sys.modules.keys())"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "set()"
