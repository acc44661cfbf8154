"""The progress line and the endings of `snakemake --logger diccae`, in real runs of tiny workflows and in numbers."""

from __future__ import annotations

import logging
import os
import pty
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from snakemake.logging import DefaultFormatter
from snakemake.settings.types import OutputSettings

from snakemake_logger_plugin_diccae import LogHandler
from snakemake_logger_plugin_diccae.progress import Job, Progress, clock, in_words, run_label

ROOT = Path(__file__).resolve().parent.parent
SNAKEFILE = """
rule all:
    input: expand("results/table{n}.csv", n=[1, 2]), "results/report.html"

rule train:
    output: "{cell}/record.json"
    wildcard_constraints: cell="results/runs/.*"
    log: "{cell}.log"
    shell: "echo trained > {log}; touch {output}"

rule table:
    input: "results/runs/pretrain/full/seed0/record.json"
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
        "OMP_NUM_THREADS": "1",
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
        r"\[1/5\] 20 % · pretrain full seed0 done in \d+:\d\d · \d+:\d\d elapsed · .+", lines[1]
    )
    assert [line.split(" %")[0] for line in lines[1:6]] == [
        f"[{n}/5] {20 * n}" for n in range(1, 6)
    ]
    assert re.fullmatch(r"Done: 5 jobs in \d+:\d\d\.", lines[6])
    assert lines[7].startswith(
        "Results: results/report.html, results/table1.csv, results/table2.csv, in /"
    )
    assert len(lines) == 8


def test_a_failure_ends_with_the_run_the_last_lines_of_its_log_and_the_way_out(
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
    assert end[19] == "  This job alone: (seq 201 220; test 2 = 1; touch results/table2.csv)"
    assert re.fullmatch(
        r"Mend the cause, then go on with: \S*snakemake.* --cores 1 --logger diccae --keep-going",
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
        "  pretrain full seed0  missing output files: results/runs/pretrain/full/seed0/record.json"
    )
    assert [line.split() for line in lines[6:11]] == [
        ["train", "1"],
        ["table", "2"],
        ["report", "1"],
        ["all", "1"],
        ["total", "5"],
    ]
    assert lines[12].startswith("Dry run: nothing was run.")
    assert len(lines) == 13


def tell(message: str, level: int = logging.INFO, **settings: bool) -> LogHandler:
    """A handler that was told one message, and its end."""
    handler = LogHandler(OutputSettings(**settings), None)
    handler.setFormatter(DefaultFormatter())
    handler.handle(
        logging.makeLogRecord(
            {"msg": message, "levelno": level, "levelname": logging.getLevelName(level)}
        )
    )
    handler.close()
    return handler


def test_what_is_wrong_before_the_first_job_is_told_with_the_way_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tell("MissingRuleException:\nNo rule to produce results/table9.csv", logging.ERROR)
    assert (
        capsys.readouterr().err == "MissingRuleException:\nNo rule to produce results/table9.csv\n"
    )
    tell("LockException:\nDirectory cannot be locked.", logging.ERROR)
    assert "That is: snakemake --unlock, then snakemake" in capsys.readouterr().err


def test_a_job_that_ctrl_c_ended_is_not_a_failure_even_when_it_is_told_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = "RuleException:\nCommand 'diccae pretrain' died with <Signals.SIGINT: 2>."
    tell(text, logging.ERROR)
    assert "Stopping: running jobs are ended." in capsys.readouterr().err
    tell(
        text.replace("died with <Signals.SIGINT: 2>", "returned non-zero exit status 130"),
        logging.ERROR,
    )
    assert "Stopping: running jobs are ended." in capsys.readouterr().err


def test_answers_are_kept_and_chatter_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    tell("Unlocked working directory.")
    assert capsys.readouterr().err == "Unlocked working directory.\n"
    tell("Building DAG of jobs...")
    assert capsys.readouterr().err == ""
    tell("Nothing to be done (all requested files are present and up to date).")
    assert (
        capsys.readouterr().err
        == "Nothing to do: every file that was asked for exists and is up to date.\n"
    )
    tell("Building DAG of jobs...", verbose=True)
    assert capsys.readouterr().err == "Building DAG of jobs...\n"


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


def test_a_terminal_gets_one_live_line_and_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(
        'rule train:\n    output: "x"\n    shell: "sleep 60; touch {output}"\n'
    )
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
            os.killpg(process.pid, signal.SIGINT)
            text += _read(terminal)
            assert process.wait(timeout=30) != 0
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    os.close(terminal)
    assert re.search(
        r"\r\x1b\[K\[0/1\] 0 % · train · \d+:\d\d elapsed · time left not known yet", text
    )
    before = text.split("Stopping: running jobs are ended.")[0]
    assert "\n" not in before
    assert re.search(
        r"Stopped after \d+:\d\d with 0 of 1 jobs done\.\r\n\r\x1b\[KGo on with: snakemake --cores 1",
        text,
    )
    assert "FAILED" not in text


def test_labels_name_the_run_and_not_its_folders() -> None:
    assert (
        run_label("run_pretrain", {"cell": "results/runs/pretrain/full/seed0"})
        == "pretrain full seed0"
    )
    assert run_label("table", {"root": "results", "table": "table2"}) == "table table2"
    assert run_label("table", {"root": "results/smoke", "table": "table2"}) == "table smoke table2"
    assert run_label("render", {"data": "results/data/embedded"}) == "render embedded"
    assert run_label("all", {}) == "all"


def test_times_are_written_for_people() -> None:
    assert [clock(seconds) for seconds in (0, 190.9, 3753)] == ["0:00", "3:10", "1:02:33"]
    assert [in_words(seconds) for seconds in (59, 60, 1330, 7500)] == [
        "less than a minute",
        "about 1 min",
        "about 22 min",
        "about 2 h 05 min",
    ]


def test_time_left_is_the_work_left_at_each_rules_own_cost_over_the_cores() -> None:
    progress = Progress(started=0.0, cores=2)
    progress.plan({"render": 1, "train": 4, "total": 5})
    assert progress.seconds_left(0) is None
    # 100 s on both cores
    progress.start(1, Job("render", "render", threads=2, started=0.0))
    assert progress.finish(1, 100.0) is not None
    # one of five jobs done, and no training among them
    assert progress.seconds_left(100) is None
    progress.start(2, Job("train", "a", threads=1, started=100.0))
    progress.start(3, Job("train", "b", threads=1, started=100.0))
    progress.finish(2, 140.0)
    # three trainings of 40 s, one of them all but done
    assert progress.seconds_left(140) == pytest.approx((3 * 40 - 40) / 2)
    progress.finish(3, 160.0)
    # two trainings of (40 + 60) / 2 s
    assert progress.seconds_left(160) == pytest.approx(2 * 50 / 2)
    assert (
        progress.line(160, 100) == "[3/5] 60 % · waiting · 2:40 elapsed · less than a minute left"
    )


def test_rules_never_run_yet_cost_what_the_last_jobs_did() -> None:
    progress = Progress(started=0.0, cores=1)
    progress.plan({"pretrain": 5, "finetune": 20, "total": 25})
    for job_id in range(5):
        progress.start(job_id, Job("pretrain", "p", threads=1, started=10.0 * job_id))
        assert progress.seconds_left(10.0 * job_id) is None
        progress.finish(job_id, 10.0 * job_id + 10)
    assert progress.seconds_left(50) == pytest.approx(200)


def test_a_failed_job_leaves_the_line_and_is_counted_until_it_is_tried_again() -> None:
    progress = Progress(started=0.0, cores=2)
    progress.plan({"train": 2, "total": 2})
    progress.start(1, Job("train", "a", threads=1, started=0.0))
    assert progress.fail(1) is not None
    assert (
        progress.line(5, 100)
        == "[0/2] 0 % · waiting · 1 failed · 0:05 elapsed · time left not known yet"
    )
    progress.start(1, Job("train", "a", threads=1, started=5.0))
    assert progress.line(6, 100) == "[0/2] 0 % · a · 0:06 elapsed · time left not known yet"


def test_running_jobs_that_do_not_fit_are_counted() -> None:
    progress = Progress(started=0.0)
    progress.plan({"train": 3, "total": 3})
    for job_id in range(3):
        progress.start(job_id, Job("train", f"pretrain full seed{job_id}", threads=1, started=0.0))
    end = " · 0:05 elapsed · time left not known yet"
    head = "[0/3] 0 % · "
    assert (
        progress.line(5, 200)
        == f"{head}pretrain full seed0, pretrain full seed1, pretrain full seed2{end}"
    )
    assert progress.line(5, 80) == f"{head}pretrain full seed0, 2 more{end}"
    assert progress.line(5, 65) == f"{head}3 running{end}"
    assert progress.line(5, 20) == f"{head}3 running"[:20]
