"""The stamp of a job that several processes train together."""

from __future__ import annotations

from pathlib import Path

import pytest

from diccae.cli.train import train
from diccae.jobs import jobs
from diccae.plans import load_plan

# what reads or trains clips
LEFT_OUT = (
    "diccae.cli.train.require_runs",
    "diccae.clips_hash.clips_hash",
    "diccae.data_check.check_data",
    "diccae.datasets.duplicates.marking.require_marked",
    "diccae.datasets.features.checks.require_suited",
    "diccae.engine.runs.execute",
    "diccae.interim.write_interim",
)


def test_the_main_process_alone_writes_the_stamp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that write one file at once may take the temporary file from each other."""
    monkeypatch.chdir(tmp_path)
    for name in LEFT_OUT:
        monkeypatch.setattr(name, lambda *arguments, **options: None)
    plan = load_plan("embedded")
    job = jobs(plan)["full", plan.seeds[0], None]
    for is_main in (False, True):
        monkeypatch.setattr("mmengine.dist.is_main_process", lambda is_main=is_main: is_main)
        train("full", plan="embedded", seed=plan.seeds[0], fold=None, stage="", modality=None)
        assert job.stamp.is_file() == is_main
