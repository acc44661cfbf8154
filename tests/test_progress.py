"""Estimated time and progress line of a workflow, compared with values by hand."""

from __future__ import annotations

import pytest

from snakemake_logger_plugin_diccae.progress import Job, Progress, clock, in_words, run_label


def test_labels_name_the_run_and_not_its_folders() -> None:
    assert run_label("train", {"job": "results/runs/full/seed0"}) == "train full seed0"
    assert run_label("table", {"root": "results", "table": "table2"}) == "table table2"
    assert run_label("table", {"root": "results/smoke", "table": "table2"}) == "table smoke table2"
    assert run_label("render", {"data": "results/data/embedded"}) == "render embedded"
    assert run_label("all", {}) == "all"


def test_times_as_text() -> None:
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


def test_rules_without_finished_jobs_cost_what_the_last_jobs_did() -> None:
    progress = Progress(started=0.0, cores=1)
    progress.plan({"pretrain": 5, "finetune": 20, "total": 25})
    for job_id in range(5):
        progress.start(job_id, Job("pretrain", "p", threads=1, started=10.0 * job_id))
        assert progress.seconds_left(10.0 * job_id) is None
        progress.finish(job_id, 10.0 * job_id + 10)
    assert progress.seconds_left(50) == pytest.approx(200)


def test_a_failed_job_leaves_the_line_and_is_counted_until_it_is_started_again() -> None:
    progress = Progress(started=0.0, cores=2)
    progress.plan({"train": 2, "total": 2})
    progress.start(1, Job("train", "a", threads=1, started=0.0))
    assert progress.fail(1) is not None
    assert (
        progress.line(5, 100) == "[0/2] 0 % · waiting · 1 failed · 0:05 elapsed · time left unknown"
    )
    progress.start(1, Job("train", "a", threads=1, started=5.0))
    assert progress.line(6, 100) == "[0/2] 0 % · a · 0:06 elapsed · time left unknown"


def test_running_jobs_that_do_not_fit_are_counted() -> None:
    progress = Progress(started=0.0)
    progress.plan({"train": 3, "total": 3})
    for job_id in range(3):
        progress.start(job_id, Job("train", f"pretrain full seed{job_id}", threads=1, started=0.0))
    end = " · 0:05 elapsed · time left unknown"
    head = "[0/3] 0 % · "
    assert (
        progress.line(5, 200)
        == f"{head}pretrain full seed0, pretrain full seed1, pretrain full seed2{end}"
    )
    assert progress.line(5, 80) == f"{head}pretrain full seed0, 2 more{end}"
    assert progress.line(5, 65) == f"{head}3 running{end}"
    assert progress.line(5, 20) == f"{head}3 running"[:20]
