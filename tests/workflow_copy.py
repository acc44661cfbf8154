"""A copy of the workflow, so that tests leave the results of this checkout alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


def copy_workflow(folder: Path) -> Path:
    """The tracked parts that the workflow reads."""
    for name in ("Snakefile", "requirements.lock"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("configs", "diccae", "profiles", "snakemake_logger_plugin_diccae"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Snakemake in a copy of the workflow, with the copy's code."""
    environment = os.environ | {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
    }
    return subprocess.run(
        [BIN / "snakemake", "--cores", "2", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )


def planned_jobs(result: subprocess.CompletedProcess[str]) -> list[str]:
    """Jobs of training that a dry run plans, `variant/seed`."""
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    lines = (line.strip() for line in result.stdout.splitlines())
    found = (
        re.match(r"output: results/(?:[a-z0-9-]+/)?runs/(.*)/job.json", line) for line in lines
    )
    return [match[1] for match in found if match]
