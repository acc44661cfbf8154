"""The command of the doctor, and checks that break."""

from __future__ import annotations

import json
from pathlib import Path

import typer
from typer.testing import CliRunner

from diccae.cli import doctor
from diccae.doctor.check import Check
from diccae.plans import Plan


def test_a_check_that_breaks_is_a_problem_and_not_a_traceback() -> None:
    def broken() -> Check:
        raise ImportError("libcudart.so.12: cannot open shared object file")

    check = doctor.guarded("faiss", broken)
    assert (check.name, check.status) == ("faiss", "problem")
    assert "libcudart" in check.message
    assert (
        doctor.guarded("odd", lambda: 1 / 0).message
        == "could not be checked: ZeroDivisionError: division by zero"
    )  # type: ignore[arg-type, return-value]


def test_the_command_prints_a_line_a_check_and_fails_only_on_a_problem(
    plan: Plan, tmp_path: Path
) -> None:
    app = typer.Typer()
    doctor.register(app)
    result = CliRunner().invoke(app, ["--plan", "smoke", "--json"])
    checks = {check["name"]: check for check in json.loads(result.stdout)}
    assert [name for name, check in checks.items() if check["status"] == "problem"] == []
    assert result.exit_code == 0
    assert list(checks) == [
        *("checkout", "python", "versions", "torch", "kernels", "cuda", "gpu", "faiss", "decoder"),
        *("shared memory", "disk", "folders", "user", "data", "features", "plan", "lock"),
        "results",
    ]
    assert checks["decoder"]["message"].startswith("PyAV ")
    assert checks["kernels"]["message"].endswith("threads of a run: 1")
    assert checks["checkout"]["status"] == "warning"
    assert f"{tmp_path} has no Snakefile and no configs" in checks["checkout"]["message"]
    (tmp_path / "results").touch()
    result = CliRunner().invoke(app, ["--plan", "smoke"])
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert len(lines) == len(checks)
    assert [line for line in lines if line.startswith("PROBLEM")][0].startswith("PROBLEM  folders ")
