"""What the README says works."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).resolve().parent.parent / "README.md").read_text()


def test_the_example_of_the_loss_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    result = subprocess.run(
        [sys.executable, "-c", code + "\nassert features.grad.abs().sum() > 0"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr


def test_every_command_it_names_exists() -> None:
    from typer.main import get_command

    from diccae.cli.main import app

    known = get_command(app).commands
    for name in re.findall(r"^ +diccae ([a-z][a-z0-9-]*)", README, flags=re.MULTILINE):
        assert name in known
