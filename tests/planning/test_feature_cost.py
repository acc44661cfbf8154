"""What stored features cost, and how the workflow plans them."""

from __future__ import annotations

from pathlib import Path

import pytest

from diccae.cli.feature_lines import feature_lines
from diccae.feature_jobs import FeatureJobs
from diccae.planning.assumed import GPU_FLOPS
from diccae.planning.features import feature_cost
from diccae.plans import Plan, load_plan
from diccae.settings import plan_settings
from tests.engine.feature_plans import feature_plan, sources


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return feature_plan(tmp_path, tmp_path / "data", sources(tmp_path))


def test_operations_of_a_vit_are_those_of_its_layers() -> None:
    cost = feature_cost(load_plan("vggsound-frozen"), 1000, gpu=False, seconds=None)
    assert cost is not None

    def vit(tokens: int, channels: int, extra: int) -> float:
        """Multiply-adds of ViT-B/16, twelve layers of width 768, times two."""
        layer = 12 * tokens * 768**2 + 2 * tokens**2 * 768
        return 2 * (12 * layer + (tokens - extra) * 768 * 256 * channels)

    # 8 x 64 patches of sound; ten frames of 14 x 14 patches with a class token
    assert cost.flops == pytest.approx(vit(512, 1, 0) + 10 * vit(197, 3, 1), rel=1e-3)
    assert (cost.clips, cost.done, cost.seconds, cost.hours) == (1000, False, None, None)
    assert feature_cost(load_plan("smoke"), 1000, gpu=False, seconds=None) is None


def test_the_lines_state_hours_of_all_clips() -> None:
    cost = {"clips": 7200, "done": False, "flops": GPU_FLOPS, "seconds": 2.0, "hours": 4.0}
    answer = {"features": cost, "devices": {"kind": "core"}}
    on_gpu, here = feature_lines(answer)
    # a clip a second
    assert on_gpu.startswith("stored features: 7,200 clips are encoded once, 100,000 GFLOP each")
    assert ": 2.0 h on a GPU that sustains 100 TFLOP/s" in on_gpu
    assert here.startswith("  timed here: 2 s a clip, 4.0 h on one core; decoding is not included")
    assert feature_lines({"features": cost | {"done": True}}) == ["stored features: complete"]
    read = "stored features: vectors of 7,200 clips are read, none is encoded"
    assert feature_lines({"features": cost | {"flops": 0.0}}) == [read]
    assert feature_lines({"features": None}) == []


def test_a_set_is_computed_from_manifest_and_cache_or_from_the_manifest_alone(plan: Plan) -> None:
    jobs = FeatureJobs([load_plan("smoke"), plan])
    folder = f"{plan.data_root}/features/tiny"
    assert list(jobs.plans) == [folder]
    assert jobs.plan(folder) == "mini"
    assert jobs.inputs(folder) == [
        f"{plan.data_root}/manifest.parquet",
        f"{plan.data_root}/cache/meta.json",
    ]
    audio = {"file": "v.npz"}
    vectors = plan.overrides | {"features": {"name": "tiny", "audio": audio}}
    made_elsewhere = plan.model_copy(update={"name": "other", "overrides": vectors})
    alone = FeatureJobs([made_elsewhere])
    assert alone.inputs(folder) == [f"{plan.data_root}/manifest.parquet"]
    assert alone.key(folder) != jobs.key(folder)
    with pytest.raises(SystemExit, match="plans mini and other share .* different features"):
        FeatureJobs([plan, made_elsewhere])


def test_training_does_not_change_what_is_stored(plan: Plan) -> None:
    features = plan_settings(plan)["features"] | {"dropout": 0.5}
    louder = plan.model_copy(update={"overrides": plan.overrides | {"features": features}})
    folder = f"{plan.data_root}/features/tiny"
    assert FeatureJobs([louder]).key(folder) == FeatureJobs([plan]).key(folder)
