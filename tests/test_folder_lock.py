"""The lock of a folder: who works in it, and what a killed workflow leaves."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from diccae import folder_lock
from diccae.folder_lock import hold_folder, is_locked, other_workflow

ROOT = Path(__file__).resolve().parent.parent
# as in the Snakefile of this package
SNAKEFILE = """
from diccae.folder_lock import hold_folder

if workflow.is_main_process and not workflow.output_settings.dryrun:
    hold_folder()

rule train:
    output: "model"
    shell: "touch started; [ -e quick ] || sleep 600; touch {output}"
"""


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    """The memory of a Snakemake that was killed."""
    locks = tmp_path / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    (locks / "0.output.lock").write_text("results/table2.csv\n")
    return tmp_path / ".snakemake"


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What would be called at the end of the process; keeps the locks."""
    called: list[tuple[object, ...]] = []
    monkeypatch.setattr(
        folder_lock.atexit, "register", lambda *words, **options: called.append((words, options))
    )
    return called


def test_the_lock_of_a_killed_workflow_is_removed_and_that_of_a_running_one_is_kept(
    memory: Path, exits: list[tuple[object, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    hold_folder(memory)
    assert not is_locked(memory)
    assert "none works here now: lock removed" in capsys.readouterr().err
    (memory / "locks").mkdir()
    (memory / "locks" / "0.output.lock").touch()
    hold_folder(memory)
    assert is_locked(memory)
    running = f"a workflow runs here (process {os.getpid()} on "
    assert running in capsys.readouterr().err
    other = other_workflow(memory)
    assert other is not None
    assert other.message.startswith(running)
    assert len(exits) == 2


def test_on_a_network_file_system_a_workflow_of_another_machine_may_still_run(
    memory: Path,
    exits: list[tuple[object, ...]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = memory / "workflow.lock"
    path.write_text("process 7 on another-machine\n")
    monkeypatch.setattr(folder_lock, "_is_network", lambda path: True)
    hold_folder(memory)
    assert is_locked(memory)
    assert (
        f"process 7 on another-machine has not ended there as far as this machine can see; if "
        f"it does not run any more: rm {path}" in capsys.readouterr().err
    )
    path.unlink()
    hold_folder(memory)
    assert not is_locked(memory)


def test_without_locks_of_the_file_system_nothing_is_removed(
    memory: Path, exits: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    hold_folder(memory)
    assert is_locked(memory)


def test_after_kill_9_the_same_command_goes_on_by_itself(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--rerun-incomplete"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}

    def again(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *words], cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        while not (tmp_path / "started").exists():
            assert process.poll() is None
            time.sleep(0.01)
        other = other_workflow(tmp_path / ".snakemake")
        assert other is not None
        assert other.message.startswith(f"a workflow runs here (process {process.pid} on ")
        os.killpg(process.pid, signal.SIGKILL)
    assert is_locked(tmp_path / ".snakemake")
    assert again("--dry-run").returncode == 0
    assert is_locked(tmp_path / ".snakemake")
    (tmp_path / "quick").touch()
    done = again()
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model").exists()
    # a workflow that ended by itself left nothing
    assert (tmp_path / ".snakemake" / "workflow.lock").read_text() == ""
