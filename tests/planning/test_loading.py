"""How many cores feed one GPU."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from diccae.cli.loading_lines import loading_lines
from diccae.planning.assumed import GPU_FLOPS
from diccae.planning.features import FeatureCost
from diccae.planning.loading import FRAME, RECORDED, Feed, encoder_flops, feed
from diccae.planning.speeds import Calibration, Speed, Timing, kind_of, kinds
from diccae.plans import load_plan
from diccae.run_graph import Run

VGGSOUND = load_plan("vggsound")
FROZEN = load_plan("vggsound-frozen")


def vit(tokens: int, channels: int) -> float:
    """Operations of a ViT-B/16 without class token: twelve layers of width 768, two for each
    multiply-add."""
    layer = 12 * tokens * 768**2 + 2 * tokens**2 * 768
    return 2 * (12 * layer + tokens * 768 * 256 * channels)


def test_operations_are_those_of_the_encoders_of_the_modality() -> None:
    # 8 x 64 patches of sound; one frame of 14 x 14 patches
    sound, picture = vit(512, 1), vit(196, 3)
    both = encoder_flops(Run(VGGSOUND, "pretrain", "full", 200))
    assert both == pytest.approx(sound + picture, rel=1e-3)
    alone = encoder_flops(Run(VGGSOUND, "finetune", "full", 200, "A"))
    assert alone == pytest.approx(sound, rel=1e-3)


def test_without_timings_both_numbers_are_estimates_that_name_their_source(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("diccae.planning.loading.encoder_flops", lambda run: GPU_FLOPS / 300)
    need = feed(VGGSOUND, None, None, timed=False)
    assert need is not None
    # a forward pass and a backward pass of twice as many operations
    assert need.gpu_clips == pytest.approx(100)
    for kind, seconds in RECORDED.items():
        # a core that loads for 1 s a clip and 100 clips/s are 100 cores
        assert need.cores[kind] == math.ceil(100 * (seconds["A"] + seconds[FRAME]))
    assert "assumed 100 TFLOP/s" in need.gpu_source
    assert "recorded on" in need.core_source
    # a view of eight of sixteen frames decodes all
    live = load_plan("ucf101").model_copy(update={"overrides": {"cache.mode": "live"}})
    need = feed(live, None, None, timed=False)
    assert need is not None
    for kind, seconds in RECORDED.items():
        assert need.core_clips[kind] == pytest.approx(1 / (seconds["A"] + seconds["V"]))


def test_timings_on_a_gpu_take_the_place_of_estimates() -> None:
    step = Timing(0.004, batch=32, full=32, repeats=3)
    run = next(run for run in kinds(VGGSOUND) if run.variant == VGGSOUND.reference)
    measured = Calibration(
        "a chip", True, 60.0, {kind_of(run): Speed(step, step, None)}, 0.0, None, []
    )
    need = feed(VGGSOUND, None, replace(measured, loading=replace(step, seconds=0.1)), timed=True)
    assert need is not None
    assert need.gpu_clips == pytest.approx(250)
    assert need.core_clips == {"the plan's clips": pytest.approx(10)}
    assert need.cores == {"the plan's clips": 25}
    assert (need.gpu_source, need.core_source) == ("timed here on a chip", "timed here")
    unknown = feed(VGGSOUND, None, measured, timed=True)
    assert unknown is not None
    assert set(unknown.core_clips) == set(RECORDED)


def test_features_are_encoded_once_and_then_nothing_is_decoded() -> None:
    cost = FeatureCost(clips=10, done=False, flops=GPU_FLOPS / 50, seconds=None)
    need = feed(FROZEN, cost, None, timed=False)
    assert need is not None
    assert (need.work, need.gpu_clips) == ("encoding features", pytest.approx(50))
    for kind, seconds in RECORDED.items():
        assert need.core_clips[kind] == pytest.approx(1 / (seconds["A"] + seconds["V"]))
    assert feed(FROZEN, replace(cost, done=True), None, timed=False) is None
    assert feed(FROZEN, replace(cost, flops=0.0), None, timed=False) is None


def test_stored_clips_are_not_decoded() -> None:
    stored = VGGSOUND.model_copy(update={"overrides": {"cache.mode": "stored"}})
    assert feed(stored, None, None, timed=False) is None


def test_the_line_names_cores_and_sources() -> None:
    need = Feed("pre-training AV", 253.0, "timed", {"small": 8.0, "large": 4.0}, "recorded", 8)
    answer = {"loading": {**vars(need), "cores": need.cores}}
    assert loading_lines(answer) == [
        "loading: pre-training AV takes about 253 clips/s on a GPU (timed), a core decodes about 8 "
        "(small) or 4 (large) clips/s (recorded): 32 to 64 cores for each GPU; a run has 8 "
        "(schedule.num_workers); where clips are stored (cache.mode) one is enough"
    ]
    assert loading_lines({"loading": None}) == []
