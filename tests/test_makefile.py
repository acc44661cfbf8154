"""`make setup` on a machine that the lock has no packages for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("platform", ["Darwin arm64", "Linux aarch64", "Darwin x86_64"])
def test_another_platform_ends_in_one_sentence(platform: str, tmp_path: Path) -> None:
    # a broken PYTHON, so that nothing is installed if the platform is not refused
    words = [
        "make",
        "--no-print-directory",
        "setup",
        f"PLATFORM={platform}",
        f"VENV={tmp_path}/venv",
        "PYTHON=false",
    ]
    result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode != 0
    assert result.stdout.splitlines() == [
        f"make setup needs Linux on x86-64, found {platform}; use the Docker image (README.md, "
        "section Docker), on ARM with --platform linux/amd64"
    ]


def test_linux_on_x86_64_is_not_refused(tmp_path: Path) -> None:
    words = [
        "make",
        "--no-print-directory",
        "--dry-run",
        "setup",
        "PLATFORM=Linux x86_64",
        f"VENV={tmp_path}/venv",
    ]
    result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert "pip install" in result.stdout
    check = next(line for line in result.stdout.splitlines() if "needs Linux" in line)
    assert subprocess.run(["sh", "-c", check]).returncode == 0
