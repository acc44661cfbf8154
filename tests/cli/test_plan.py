"""`diccae plan`: its text for plans with and without data, and its JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from diccae.cli import plan as command
from diccae.cli.durations import length
from diccae.errors import UserError
from diccae.planning.speeds import Calibration, Speed, Timing, kind_of, kinds
from diccae.plans import Plan

app = typer.Typer()
command.register(app)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # noqa: ANN201 - a function
    """A function that runs the command in an empty working directory and returns its output."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> str:
        result = CliRunner().invoke(app, [*words, "--no-calibrate"], catch_exceptions=False)
        assert result.exit_code == 0
        return result.stdout

    return call


def test_text_for_a_plan_without_any_runs(run) -> None:  # noqa: ANN001
    text = run("--plan", "smoke")
    assert "fixed_weight@w=1             A        warmup of full" in text
    assert "2 warmup, 8 pretrain, 43 finetune, 1 estimate runs per seed" in text
    assert "clips from the plan's benchmark.counts; the clips are not rendered yet" in text
    assert "loading: " not in text
    lines = {line.split()[0]: line.split() for line in text.splitlines() if line}
    assert lines["leakage"][1:] == ["2", "2", "0", "4"]
    assert "no time: nothing was timed (--no-calibrate)" in text
    assert "disk: 0." in text
    # two of the five ablations, in A and A-V
    assert text.count("table2/no_") == 4
    assert "(results/reference/spread/spread.csv); the plan has 2 seeds" in text


def test_text_for_the_papers_scale_without_its_data(run) -> None:  # noqa: ANN001
    text = run("--plan", "vggsound")
    assert "audioset 2065161 (the official list; media/lists/unbalanced_train_segments.csv" in text
    assert "unlabelled/audioset 2,065,161" in text
    assert "none, decoded while training" in text
    assert text.count("\nloading: pre-training AV takes about 253 clips/s on a GPU (3 x 132") == 1
    # nobody waits for it on cores
    assert "not feasible here, the plan needs a GPU (schedule.precision: bfloat16)" in text
    assert text.count("table2/no_") == 10


def test_other_values_of_a_parameter_are_explained(run) -> None:  # noqa: ANN001
    assert "...@lr=X: the variant with schedule.finetune.lr = X" in run("--plan", "tuning")


def test_the_time_of_a_plan_contains_the_start_of_each_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    none = Timing(0.0, batch=2, full=32, repeats=1)

    def instant(plan: Plan, report: object) -> Calibration:
        speeds = {kind_of(run): Speed(none, none, none) for run in kinds(plan)}
        return Calibration("a core", False, 0.0, speeds, kmeans=0.0, loading=None, remarks=[])

    monkeypatch.setattr("diccae.planning.calibration.calibrate", instant)
    result = CliRunner().invoke(app, ["--plan", "smoke", "--gpus", "1"], catch_exceptions=False)
    assert result.exit_code == 0
    # two seeds of full, four other pre-trainings, the sweep, the leakage twin, from_scratch on two
    # kinds of encoders, diccae_tokens, and seven systems
    jobs = 2 * 17
    wall = f"wall time with 1 core, one run on each: {4 * jobs / 60:.1f} min"
    assert wall in result.stdout
    rows = {line.split()[0]: line.split() for line in result.stdout.splitlines() if line}
    # `full`, whose warm-up the twin uses, was counted by the rows above
    assert rows["leakage"][-4:] == ["16", "s", "8", "s"]
    assert "fine-tuning A training 0 ms per clip (batch 2 instead of 32)" in result.stdout


def test_json_is_one_object(run) -> None:  # noqa: ANN001
    answer = json.loads(run("--plan", "smoke", "--json", "--gpus", "3"))
    assert answer["devices"]["count"] == 3
    assert answer["calibration"] is None
    assert "hours" not in answer
    assert answer["runs"] == {"warmup": 4, "pretrain": 16, "finetune": 86, "estimate": 2}
    # epochs x batches of each stage's runs: warm-up 8, pre-training 8, the others 4 steps
    assert answer["steps"] == {"warmup": 32, "pretrain": 128, "finetune": 344, "estimate": 8}
    assert sum(row["added_runs"] for row in answer["artifacts"]) == sum(answer["runs"].values())
    variants = {"no_confusion_loss", "no_dynamic_weighting"}
    assert {row["variant"] for row in answer["seeds"]} == variants
    assert {row["variant"] for row in answer["power"]} == variants


def test_a_plan_without_table_2_needs_no_seeds(run) -> None:  # noqa: ANN001
    assert "seeds: plan tuning measures no drop of Table 2" in run("--plan", "tuning")


def test_an_unknown_plan_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="plan 'nothing' not found"):
        CliRunner().invoke(app, ["--plan", "nothing"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("hours", "text"),
    [
        (0.0038, "14 s"),
        (0.02, "1.2 min"),
        (0.99, "59.4 min"),
        (1.44, "1.4 h"),
        (5e6, "5,000,000 h"),
    ],
)
def test_lengths_have_a_unit_that_suits_them(hours: float, text: str) -> None:
    assert length(hours) == text


def test_hours_are_printed_with_the_timings_behind_them() -> None:
    timing = {"seconds": 0.0021, "batch": 2, "full": 32, "repeats": 1}
    answer = {
        "devices": {"count": 4, "kind": "GPU"},
        "artifacts": [
            {
                "artifact": "table1",
                "finetune": 9,
                "pretrain": 3,
                "warmup": 3,
                "hours": 1234.5,
                "added_hours": 0.0417,
            }
        ],
        "runs": {"warmup": 3, "pretrain": 3, "finetune": 9},
        "hours": 1234.5,
        "wall_hours": 308.6,
        "all_seeds": {"seeds": 12, "hours": 3703.5, "wall_hours": 925.8},
        "needs_gpu": None,
        "calibration": {
            "seconds": 61.2,
            "device": "a chip",
            "speeds": {
                "fine-tuning A": {"train": timing, "embed": timing | {"batch": 32}, "predict": None}
            },
            "loading": timing,
            "remarks": ["a remark"],
        },
    }
    text = "\n".join(command._hours(answer))
    assert "GPU time" in text
    assert "1,234 h     2.5 min" in text
    assert "added: without the runs that a row above has already" in text
    assert "wall time with 4 GPUs, one run on each: 309 h" in text
    assert "with all 12 seeds (--seeds 12): GPU time 3,704 h, wall time 926 h" in text
    assert "training 2.1 ms per clip (batch 2 instead of 32)" in text
    assert "features 2.1 ms per clip (batch 32)" in text
    assert "loading      2.1 ms per clip and core" in text
    assert text.endswith("  a remark")
