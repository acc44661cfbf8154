"""Features that do not suit a plan, and what is missing to compute them."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from diccae import registry  # noqa: F401
from diccae.clips_hash import clips_hash
from diccae.datasets.features.checks import feature_damage, require_suited
from diccae.engine import stored_features
from diccae.engine.stored_features import build_features
from diccae.errors import UserError
from tests.engine.feature_plans import ADAPTER, feature_plan, plan_on, sources, write_weights


def test_features_of_something_else_are_refused_and_kept(built: Path, copy: Path) -> None:
    plan = plan_on(copy, built)
    other = copy / "other"
    other.mkdir()
    write_weights(other, seed=1)
    changed = feature_plan(copy, copy / "data", sources(other))
    section = sources(built)
    longer = feature_plan(copy, copy / "data", section | {"audio": section["audio"] | {"steps": 4}})
    for wrong, words in (
        (changed, "made with weights_sha256 .*, the plan says .*; set features.name"),
        (longer, "made with steps 1, the plan says 4; set features.name"),
    ):
        for act in (require_suited, build_features):
            with pytest.raises(UserError, match=words):
                act(wrong)
    assert feature_damage(plan) == []


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            {"video_encoder": ADAPTER | {"in_features": 32}},
            "video_encoder.in_features is 32, and the stored vectors have 64 values",
        ),
        (
            {"video_encoder": ADAPTER | {"kind": "transformer", "tokens": 3}},
            "video_encoder.tokens is 3, and a view has 1 stored vectors",
        ),
    ],
)
def test_sizes_are_compared_before_a_run(
    built: Path, copy: Path, overrides: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        require_suited(plan_on(copy, built, **overrides))


def test_what_is_missing_is_named_before_anything_is_computed(
    built: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_on(copy, built)
    shutil.rmtree(copy / "data" / "features")
    with pytest.raises(UserError, match="tiny/meta.json is missing; run `diccae data features"):
        clips_hash(plan)
    with pytest.raises(UserError, match=r"features.audio.weights: there is no file .*none/cav"):
        build_features(feature_plan(copy, copy / "data", sources(copy / "none")))
    full = SimpleNamespace(free=1000)
    monkeypatch.setattr(stored_features.shutil, "disk_usage", lambda path: full)
    with pytest.raises(UserError, match="the features need 0.0 GB, 0.0 GB are free; free some"):
        build_features(plan, progress=False)
    assert not list((copy / "data" / "features").rglob("*.npy"))
