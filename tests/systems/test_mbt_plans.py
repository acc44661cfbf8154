"""MBT in plans: its variants at both scales, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.utils import import_modules_from_strings

from diccae.errors import UserError
from diccae.plans import Plan, load_plan
from diccae.reporting.ambiguities import ambiguities
from diccae.run_graph import Run
from diccae.settings import settings_of
from diccae.systems.mbt import SYSTEM
from diccae.validation import checked


def plan_with(**overrides: object) -> Plan:
    content = load_plan("embedded").model_dump(by_alias=True)
    return checked(Plan, content | {"overrides": overrides}, "here")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            {"method.fusion_layer": 3},
            "fusion_layer 3: bottlenecks that enter in the last of 4 layers pass nothing between "
            "the modalities; wanted at most 2, or 4 for late fusion",
        ),
        ({"method.fusion_layer": 5}, "fusion_layer: the encoders have 4 layers, got 5; 4 is late"),
    ],
)
def test_a_layer_that_cannot_fuse_is_refused(overrides: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        Run(plan_with(**overrides), "finetune", "mbt", 0, "AV").config()


@pytest.mark.parametrize(
    ("video", "words"),
    [
        ({"depth": 3}, r"need the same depth, got 4 \(audio\) and 3 \(video\)"),
        ({"width": 96}, r"need the same width, got 48 \(audio\) and 96 \(video\)"),
        (None, "wanted encoders on tokens, got ConvEncoder"),
    ],
)
def test_encoders_that_do_not_fit_are_refused(video: dict[str, int] | None, words: str) -> None:
    run = Run(load_plan("embedded"), "finetune", "mbt", 0, "AV").context()
    encoder = {"type": "ConvEncoder"} if video is None else run.base["video_encoder"] | video
    with pytest.raises(UserError, match=words):
        SYSTEM.model(replace(run, base=run.base | {"video_encoder": encoder}))


def test_full_attention_in_the_last_layer_alone_is_possible() -> None:
    plan = plan_with(**{"method.fusion_layer": 3})
    assert Run(plan, "finetune", "mbt_attention", 0, "AV").config().model.fusion_layer == 3


@pytest.mark.parametrize("scale", ["embedded", "vggsound"])
def test_the_variants_at_both_scales(scale: str) -> None:
    plan = load_plan(scale)
    variants = ("mbt", "mbt_early", "mbt_late", "mbt_attention")
    built = {}
    for name in variants:
        config = Run(plan, "finetune", name, 0, "AV").config()
        import_modules_from_strings(config.custom_imports.imports)
        model = config.model
        model.pop("data_preprocessor")
        with torch.device("meta"):
            built[name] = MODELS.build(model)
    assert 0 < built["mbt"].fusion_layer < built["mbt"].depth
    assert built["mbt_early"].fusion_layer == 0
    assert built["mbt_late"].fusion_layer == built["mbt_late"].depth
    assert {n for n, model in built.items() if model.bottlenecks is None} == set(variants[2:])
    # a run of one modality does not depend on how two are fused
    assert len({Run(plan, "finetune", name, 0, "A").config_hash for name in variants}) == 1


def test_every_choice_is_in_the_register() -> None:
    plan = load_plan("embedded")
    settings = settings_of(plan, "finetune", "mbt").as_record()
    keys = {entry["key"] for entry in ambiguities(plan, settings)}
    assert {f"method.{name}" for name in settings["method"]} <= keys
