"""Progress line and summary of `snakemake --logger diccae`, in runs of small workflows."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SNAKEFILE = """
rule all:
    input: expand("results/table{n}.csv", n=[1, 2]), "results/report.html"

rule train:
    output: "{job}/job.json"
    wildcard_constraints: job="results/runs/.*"
    log: "{job}.log"
    shell: "echo trained > {log}; touch {output}"

rule table:
    input: "results/runs/full/seed0/job.json"
    output: "results/table{n}.csv"
    log: "logs/table{n}.log"
    shell: "(COMMAND) > {log} 2>&1"

rule report:
    input: "results/table1.csv"
    output: "results/report.html"
    shell: "touch {output}"
"""
GOOD = "touch {output}"
# the second table writes 20 lines and fails
BAD = "seq {wildcards.n}01 {wildcards.n}20; test {wildcards.n} = 1; touch {output}"


def start(folder: Path, command: str, *arguments: str) -> subprocess.Popen[str]:
    folder.mkdir()
    (folder / "Snakefile").write_text(SNAKEFILE.replace("COMMAND", command))
    return subprocess.Popen(
        _snakemake(*arguments),
        cwd=folder,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _snakemake(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "snakemake", "--cores", "1", "--logger", "diccae", *arguments]


def _environment() -> dict[str, str]:
    return os.environ | {
        "PYTHONPATH": str(ROOT),
        "TERM": "xterm",
        "COLUMNS": "100",
    }


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, str]]:
    """Exit code, standard output and error of workflows that run side by side."""
    root = tmp_path_factory.mktemp("workflows")
    started = {
        "good": start(root / "good", GOOD),
        "bad": start(root / "bad", BAD, "--keep-going"),
        "dry": start(root / "dry", GOOD, "--dry-run"),
        "until": start(root / "until", GOOD, "--until", "train"),
    }
    ends = {}
    try:
        for name, process in started.items():
            out, error = process.communicate(timeout=300)
            ends[name] = (process.returncode, out, error)
    finally:
        for process in started.values():
            process.kill()
    return ends


def test_each_finished_job_is_one_line_and_the_end_names_the_results(
    ends: dict[str, tuple[int, str, str]],
) -> None:
    code, out, error = ends["good"]
    lines = error.splitlines()
    assert (code, out) == (0, "")
    assert lines[0] == "5 jobs to run: 1 train, 2 table, 1 report, 1 all"
    assert re.fullmatch(
        r"\[1/5\] 20 % · train full seed0 done in \d+:\d\d · \d+:\d\d elapsed · .+", lines[1]
    )
    assert [line.split(" %")[0] for line in lines[1:6]] == [
        f"[{n}/5] {20 * n}" for n in range(1, 6)
    ]
    assert re.fullmatch(r"Done: 5 jobs in \d+:\d\d\.", lines[6])
    assert lines[7].startswith(
        "Results: results/report.html, results/table1.csv, results/table2.csv, in /"
    )
    assert len(lines) == 8


def test_a_failure_ends_with_the_job_the_last_lines_of_its_log_and_how_to_resume(
    ends: dict[str, tuple[int, str, str]],
) -> None:
    code, _, error = ends["bad"]
    assert code == 1
    lines = error.splitlines()
    end = lines[lines.index("") + 1 :]
    assert re.fullmatch(r"1 of 5 jobs failed after \d+:\d\d; 3 done, 1 not run\.", end[0])
    assert end[2] == "FAILED  table 2 (rule table)"
    assert end[3] == "  logs/table2.log, the last 15 of 20 lines:"
    assert end[4:19] == [f"    | {n}" for n in range(206, 221)]
    assert end[19] == "  To run this job alone: (seq 201 220; test 2 = 1; touch results/table2.csv)"
    assert re.fullmatch(
        r"Fix the cause, then resume with: \S*snakemake.* --cores 1 --logger diccae --keep-going",
        end[21],
    )
    assert len(end) == 23
    assert [line for line in lines if "· table 2 FAILED · 1 failed ·" in line]
    assert "CalledProcessError" not in error


def test_a_dry_run_prints_every_job_with_its_reason_and_the_table(
    ends: dict[str, tuple[int, str, str]],
) -> None:
    code, out, error = ends["dry"]
    assert (code, error) == (0, "")
    lines = out.splitlines()
    assert lines[0] == (
        "  train full seed0  missing output files: results/runs/full/seed0/job.json"
    )
    assert [line.split() for line in lines[6:11]] == [
        ["train", "1"],
        ["table", "2"],
        ["report", "1"],
        ["all", "1"],
        ["total", "5"],
    ]
    assert lines[12].startswith("Dry run: no job was run.")
    assert len(lines) == 13


def test_a_workflow_that_was_asked_to_end_earlier_is_done(
    ends: dict[str, tuple[int, str, str]],
) -> None:
    code, _, error = ends["until"]
    lines = error.splitlines()
    assert code == 0
    assert lines[0] == "1 jobs to run: 1 train"
    assert re.fullmatch(r"Done: 1 job in \d+:\d\d\.", lines[2])
    assert lines[3].startswith("Results: results/runs/full/seed0/job.json, in /")
    assert len(lines) == 4


def _read(terminal: int, until: str | None = None, patience: float = 120) -> str:
    """What a terminal shows, up to some text or to its end."""
    text = b""
    while until is None or until.encode() not in text:
        assert select.select([terminal], [], [], patience)[0], text.decode()
        try:
            text += os.read(terminal, 10_000)
        except OSError:
            # the other side is closed
            break
    return text.decode()


def test_a_terminal_shows_one_progress_line_and_ctrl_c_says_how_to_resume(tmp_path: Path) -> None:
    rule = 'rule train:\n    output: "x"\n    shell: "touch started; sleep 600; touch {output}"\n'
    (tmp_path / "Snakefile").write_text(rule)
    terminal, inner = pty.openpty()
    with subprocess.Popen(
        _snakemake(),
        cwd=tmp_path,
        env=_environment(),
        stdin=inner,
        stdout=inner,
        stderr=inner,
        start_new_session=True,
        # a shell starts background jobs, such as these tests may be, with SIGINT ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        os.close(inner)
        try:
            text = _read(terminal, until="· train ·")
            # the line is there before the job's shell is, which the signal has to reach
            while not (tmp_path / "started").exists():
                assert process.poll() is None
                time.sleep(0.01)
            os.killpg(process.pid, signal.SIGINT)
            text += _read(terminal)
            assert process.wait(timeout=120) != 0
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    os.close(terminal)
    assert re.search(r"\r\x1b\[K\[0/1\] 0 % · train · \d+:\d\d elapsed · time left unknown", text)
    before = text.split("Stopping: terminating the running jobs.")[0]
    assert "\n" not in before
    end = r"Stopped after \d+:\d\d with 0 of 1 jobs done\.\r\nResume with: snakemake --cores 1"
    assert re.search(end, text)
    assert "FAILED" not in text
