"""The jobs of a plan on a cluster, and what `diccae plan --cluster` says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from diccae.cli.cluster_lines import cluster_lines
from diccae.jobs import jobs
from diccae.planning.cluster import Times, cluster_cost
from diccae.planning.costs import JOB_START_SECONDS
from diccae.planning.job_graph import job_graph, waits_for
from diccae.planning.work import Work
from diccae.plans import Plan
from tests.engine.feature_plans import feature_plan, sources

WORK = Work(steps=1, epoch=1, trained=1, embedded=1, scored=10, clustered=0)


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A plan on stored features, with one seed of three variants, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    # as long as pre-training, so that the warm-up of `full` is the pre-training of others
    epochs = {"schedule.warmup.epochs": 2}
    return feature_plan(tmp_path, Path("results/data/mini"), sources(tmp_path), **epochs)


def cost_of(plan: Plan, seconds: float | None, devices: int = 3) -> dict[str, Any]:
    """The cost of a plan whose runs take equally long, and whose features take twelve minutes."""
    runs = [run for job in jobs(plan).values() for run in job.runs]
    work = dict.fromkeys(runs, WORK)
    if seconds is None:
        return cluster_cost(plan, work, Times(None, {}, None), devices)
    times = Times(dict.fromkeys(runs, seconds), dict.fromkeys(runs, 0.0), 720.0)
    return cluster_cost(plan, work, times, devices)


def test_the_graph_is_that_of_the_workflow(plan: Plan) -> None:
    graph = job_graph(plan, shares=4)
    before = {graph[output].label: waits_for(graph)[output] for output in graph}
    labels = {
        label: {graph[output].label for output in outputs} for label, outputs in before.items()
    }
    features = {f"features {number} of 4" for number in range(1, 5)}
    # the plan brings its manifest
    assert labels["cache"] == set()
    assert all(labels[name] == {"cache"} for name in features)
    assert labels["list of the features"] == {"cache", *features}
    training = {"full seed 0", "from_scratch seed 0", "no_confusion_loss seed 0"}
    assert labels["full seed 0"] == {"list of the features"}
    # its pre-training is the warm-up of `full`
    assert labels["no_confusion_loss seed 0"] == {"list of the features", "full seed 0"}
    assert labels["shard of seed 0"] == training
    assert labels["table1"] == {"full seed 0", "from_scratch seed 0"}
    assert {"table1", "table2", "verify"} <= labels["report"]
    # what others wait for starts first
    order = [label for label in labels if label in training]
    assert order[0] == "full seed 0"


def test_hours_add_up_and_the_longest_chain_is_named(plan: Plan) -> None:
    cost = cost_of(plan, seconds=60.0)
    of_plan = jobs(plan)
    runs = sum(len(job.runs) for job in of_plan.values())
    start = JOB_START_SECONDS
    training, encoding = 60 * runs + 3 * start, 720 + 16 * start
    assert cost["device_hours"] == pytest.approx((training + encoding) / 3600)
    assert cost["cpu_hours"] == cost["device_hours"]  # no loader workers
    kinds = {row["kind"]: row for row in cost["kinds"]}
    assert {kind: row["jobs"] for kind, row in kinds.items()} == {
        "cache": 1,
        "features": 17,
        "training": 3,
        "shards": 1,
        "tables": len([*job_graph(plan).values()]) - 1 - 17 - 3 - 1 - 2,
        "report": 2,
    }
    assert kinds["training"]["device_hours"] == pytest.approx(training / 3600)
    assert sum(stage["runs"] for stage in cost["stages"]) == runs
    assert cost["not_timed"]["tables"] == kinds["tables"]["jobs"]
    full, other = (
        60 * len(of_plan[name, 0, None].runs) + start for name in ("full", "no_confusion_loss")
    )
    share = 720 / 16 + start
    chain = cost["critical_path"]
    assert chain["hours"] == pytest.approx((share + full + other) / 3600)
    assert [job["label"] for job in chain["jobs"] if job["hours"]] == [
        "features 1 of 16",
        "full seed 0",
        "no_confusion_loss seed 0",
    ]
    wall = {row["devices"]: row["hours"] * 3600 for row in cost["wall"]}
    # with one device there is no gap; the asked-for number is among the powers of two
    assert wall[1] == pytest.approx(training + encoding)
    assert list(wall) == [1, 2, 3, 4, 8, 16]
    assert wall[16] == pytest.approx(share + full + other)
    assert wall[8] == pytest.approx(2 * share + full + other)
    busy = {row["devices"]: row["busy"] for row in cost["wall"]}
    assert busy[1] == pytest.approx(1)
    assert busy[16] == pytest.approx((training + encoding) / (16 * wall[16]))
    # three processes that load clips, and the run itself
    loading = plan.overrides | {"schedule.num_workers": 3}
    more = cost_of(plan.model_copy(update={"overrides": loading}), seconds=60.0)
    assert more["cpu_hours"] == pytest.approx(4 * cost["device_hours"])


def test_jobs_that_ran_here_take_what_they_took(plan: Plan) -> None:
    folder = Path("results/mini/benchmarks")
    folder.mkdir(parents=True)
    head = "s\th:m:s\tcpu_time\n"
    (folder / "shard0.tsv").write_text(f"{head}36.0\t0:00:36\t18.0\n")
    (folder / "table1.tsv").write_text(f"{head}72.0\t0:01:12\tNA\n")
    (folder / "table2.tsv").write_text("")
    cost = cost_of(plan, seconds=60.0)
    assert cost["measured"] == {"shards": 1, "tables": 1}
    assert "shards" not in cost["not_timed"]
    assert cost["cpu_hours"] == pytest.approx(cost["device_hours"] + 90 / 3600)


def test_without_times_jobs_are_counted_and_no_hour_is_stated(plan: Plan) -> None:
    cost = cost_of(plan, None)
    assert cost["wall"] == []
    assert cost["device_hours"] is cost["critical_path"]["hours"] is None
    assert cost["critical_path"]["jobs"][-1]["label"] == "report"


def answer_of(cost: dict[str, Any], **changes: Any) -> dict[str, Any]:
    disk = {"clips": 0, "cache": 0, "features": 2e9, "weights": 1e9, "tables": 0, "working": 0}
    answer = {
        "plan": "mini",
        "cluster": cost,
        "devices": {"kind": "core", "count": 2},
        "needs_gpu": None,
        "calibration": {"device": "one core of a chip"},
        "features": {"done": False},
        "disk": disk | {"total": 3e9},
    }
    return answer | changes


def test_the_text_says_where_times_come_from_and_what_is_missing(plan: Plan) -> None:
    cost = cost_of(plan, seconds=60.0) | {"shards_bytes": 0}
    text = "\n".join(cluster_lines(answer_of(cost), free=2_000_000_000, folder="/scratch"))
    assert "core time: of one core, timed here on one core of a chip" in text
    assert "of a GPU nothing is known here; on the cluster: srun --gpus 1 diccae plan" in text
    assert "clip cache (1 job), stored features (1 job), shards (1 job), tables" in text
    assert "verification and report (2 jobs): not timed, counted as 0 s" in text
    assert "critical path, with any number of cores: " in text
    assert "  cache -> features 1 of 16 (49 s) -> list of the features -> full seed 0 (" in text
    assert "disk: 3.00 GB (stored features 2.00 GB, weights 1.00 GB); 2.0 GB free" in text
    assert "the disk is too small by 1.0 GB: free some space, or make /scratch a symbolic" in text
    other = answer_of(
        cost_of(plan, None),
        calibration=None,
        needs_gpu="schedule.precision: bfloat16",
    )
    text = "\n".join(cluster_lines(other, free=10**12, folder="/scratch"))
    assert "no time: the plan needs a GPU (schedule.precision: bfloat16)" in text
    assert "longest chain of jobs: cache -> features 1 of 16 -> " in text
    assert "wall time" not in text
    assert "too small" not in text
