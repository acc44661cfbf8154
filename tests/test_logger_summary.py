"""What the summary of a workflow names: its results and the command that resumes it."""

from __future__ import annotations

import pytest

from snakemake_logger_plugin_diccae import summary


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


def test_a_workflow_that_make_started_resumes_with_make(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary.sys, "argv", ["/x/snakemake", "--cores", "all", "smoke"])
    monkeypatch.delenv("DICCAE_COMMAND", raising=False)
    assert summary.command_line() == "snakemake --cores all smoke"
    monkeypatch.setenv("DICCAE_COMMAND", "make smoke")
    assert summary.command_line() == "make smoke"
