"""What `snakemake --logger diccae` says of single messages, of results and of how to resume."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from snakemake.logging import DefaultFormatter
from snakemake.settings.types import OutputSettings

from snakemake_logger_plugin_diccae import LogHandler, summary
from snakemake_logger_plugin_diccae.progress import Progress


def test_results_are_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    # rendering writes a manifest, which the table reads, and by-products
    outputs = [["clips.parquet", "truth.json"], ["table1.csv"], ["figure2.csv", "figure2.svg"]]
    inputs = {"clips.parquet", "table1.csv"}

    def named(*words: str) -> str:
        monkeypatch.setattr(summary.sys, "argv", ["snakemake", "--cores", "all", *words])
        line = summary.results_line([], outputs, inputs)
        assert line is not None
        return line.split(", in /")[0]

    assert named() == "Results: figure2.csv, figure2.svg"
    assert named("table1.csv") == "Results: table1.csv"
    assert named("truth.json", "table1.csv") == "Results: truth.json, table1.csv"


def test_the_progress_line_names_the_interim_page_of_this_workflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = Path("results/smoke/interim.html")
    page.parent.mkdir(parents=True)
    outputs = [["results/table1.csv"], ["results/smoke/runs/full/seed0/job.json"]]
    assert summary.interim_page(outputs, 0) == ""
    page.touch()
    assert summary.interim_page(outputs, 0) == str(page)
    assert summary.interim_page(outputs[:1], 0) == ""
    # of an earlier workflow
    assert summary.interim_page(outputs, page.stat().st_mtime + 1) == ""
    progress = Progress(0.0, total=2, done=1, page=str(page))
    assert "· see results/smoke/interim.html · 0:05 elapsed" in progress.line(5.0, 200)


def test_a_workflow_that_make_started_resumes_with_make(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary.sys, "argv", ["/x/snakemake", "--cores", "all", "smoke"])
    monkeypatch.delenv("DICCAE_COMMAND", raising=False)
    assert summary.command_line() == "snakemake --cores all smoke"
    monkeypatch.setenv("DICCAE_COMMAND", "make smoke")
    assert summary.command_line() == "make smoke"


def handle(message: str, level: int = logging.INFO, **settings: bool) -> LogHandler:
    """Pass one message to a handler and close it."""
    handler = LogHandler(OutputSettings(**settings), None)
    handler.setFormatter(DefaultFormatter())
    handler.handle(
        logging.makeLogRecord(
            {"msg": message, "levelno": level, "levelname": logging.getLevelName(level)}
        )
    )
    handler.close()
    return handler


def test_an_error_before_the_first_job_is_shown_with_a_remedy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    handle("MissingRuleException:\nNo rule to produce results/table9.csv", logging.ERROR)
    assert (
        capsys.readouterr().err == "MissingRuleException:\nNo rule to produce results/table9.csv\n"
    )
    handle("LockException:\nDirectory cannot be locked.", logging.ERROR)
    words = capsys.readouterr().err
    assert words.startswith("Another Snakemake works on the same files in this folder; wait for it")
    assert "LockException" not in words
    handle("Traceback ...\nOSError: [Errno 28] No space left on device", logging.ERROR)
    assert capsys.readouterr().err.startswith("The disk is full; free some space, then: snakemake")


def test_a_job_that_ctrl_c_ended_is_not_a_failure_even_if_it_is_reported_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = "RuleException:\nCommand 'diccae train' died with <Signals.SIGINT: 2>."
    handle(text, logging.ERROR)
    assert "Stopping: terminating the running jobs." in capsys.readouterr().err
    handle(
        text.replace("died with <Signals.SIGINT: 2>", "returned non-zero exit status 130"),
        logging.ERROR,
    )
    assert "Stopping: terminating the running jobs." in capsys.readouterr().err


def test_output_of_options_is_shown_and_start_messages_are_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    handle("Unlocked working directory.")
    assert capsys.readouterr().err == "Unlocked working directory.\n"
    handle("Building DAG of jobs...")
    assert capsys.readouterr().err == ""
    handle("Nothing to be done (all requested files are present and up to date).")
    assert (
        capsys.readouterr().err == "Nothing to do: all requested files exist and are up to date.\n"
    )
    handle("Building DAG of jobs...", verbose=True)
    assert capsys.readouterr().err == "Building DAG of jobs...\n"


def failed(message: str, log: str = "") -> dict[str, object]:
    return {"rule_name": "train", "rule_msg": message, "log": [log] if log else []}


def test_a_job_that_slurm_ended_names_the_key_to_raise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["snakemake", "--workflow-profile", "profiles/mine/"]
    monkeypatch.setattr(summary.sys, "argv", words)
    memory = summary.limit_reached(failed("SLURM status is: 'OUT_OF_MEMORY'."))
    assert memory == (
        "Slurm ended it at its limit of memory: raise mem_mb of train under set-resources in "
        "profiles/mine/profile.yaml."
    )
    monkeypatch.setattr(summary.sys, "argv", ["snakemake"])
    time = summary.limit_reached(failed("SLURM status is: 'TIMEOUT'."))
    assert time == (
        "Slurm ended it at its limit of time: raise runtime of train under set-resources in the "
        "profile."
    )
    # where a step of the job reached it, only its log says so
    log = tmp_path / "1.log"
    log.write_text("slurmstepd: error: Detected 1 oom_kill event in StepId=12.0.\n")
    step = summary.limit_reached(failed("SLURM status is: 'FAILED'.", str(log)))
    assert step is not None
    assert "raise mem_mb of train" in step
    log.write_text("a TIMEOUT of something else\n")
    assert summary.limit_reached(failed("SLURM status is: 'FAILED'.", str(log))) is None
    assert summary.limit_reached(failed("", str(log))) is None
