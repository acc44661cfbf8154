"""The section `features`, and what it asks of the rest of a plan."""

from __future__ import annotations

from typing import Any

import pytest

from diccae.errors import UserError
from diccae.plans import Plan, load_plan
from diccae.run_graph import Run, check
from diccae.settings import plan_settings

FROZEN = load_plan("vggsound-frozen")
CAV_MAE = {"encoder": "cav_mae", "weights": "w.pth"}


def with_overrides(**overrides: Any) -> Plan:
    keys = {key.replace("__", "."): value for key, value in overrides.items()}
    return FROZEN.model_copy(update={"overrides": FROZEN.overrides | keys})


@pytest.mark.parametrize(
    ("features", "words"),
    [
        ({"audio": {"encoder": "cav_mae"}}, "features.audio: weights: wanted the path of the enc"),
        ({"audio": {}}, "features.audio: wanted either encoder .with weights. or file"),
        ({"audio": CAV_MAE | {"file": "v.npz"}}, "features.audio: wanted either encoder"),
        ({"audio": CAV_MAE | {"encoder": "timm"}}, "timm encodes frames; wanted cav_mae, or file"),
        ({"audio": CAV_MAE | {"step": 2}}, "features.audio.step: unknown key"),
        ({}, "features: wanted audio, video or both"),
        ({"audio": CAV_MAE, "dropout": 1.0}, "features.dropout: "),
        ({"audio": CAV_MAE, "name": "../x"}, "features.name: "),
        ({"video": CAV_MAE | {"steps": 3}}, "steps 3 does not divide cache.num_frames 10"),
    ],
)
def test_mistakes_in_the_section(features: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        plan_settings(with_overrides(features={"name": "x"} | features))


def test_encoders_and_features_need_each_other() -> None:
    encoder = {"type": "ConvEncoder", "in_channels": 1, "widths": [8]}
    with pytest.raises(UserError, match="audio_encoder is ConvEncoder, but features.audio gives"):
        plan_settings(with_overrides(audio_encoder=encoder))
    with pytest.raises(UserError, match="and there is no section features; add it"):
        plan_settings(with_overrides(features=None))
    section = {"name": "x", "video": CAV_MAE | {"steps": 2}}
    with pytest.raises(UserError, match="data.num_frames is 4 and features.video.steps only 2"):
        plan_settings(with_overrides(features=section, data__num_frames=4))


def test_a_run_reads_what_is_stored() -> None:
    plan = with_overrides(features={"name": "x", "audio": CAV_MAE})
    assert Run(plan, "finetune", "from_scratch", 0, "A").config().model.video_encoder is None
    with pytest.raises(UserError, match="reads audio and video, and the section .* no video; add"):
        check(plan)


def test_two_views_of_features_must_differ() -> None:
    contrast = {"method__infonce_contrast": "both"}
    run = Run(with_overrides(**contrast), "warmup", "full", 0)
    assert run.config().model.data_preprocessor.two_views is True
    still = plan_settings(FROZEN)["features"] | {"dropout": 0.0}
    with pytest.raises(UserError, match="set features.dropout or features.noise above 0"):
        check(with_overrides(features=still, **contrast))
