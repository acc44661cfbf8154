"""Mistakes in plans, variants and overrides: one sentence with the file and the line or key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from diccae import settings
from diccae.config_file import read_config
from diccae.data_settings import checked_sections
from diccae.errors import UserError
from diccae.planned_job import data_key
from diccae.plans import Plan, load_plan
from diccae.run_graph import check
from diccae.seed_sets import MAX_SEED
from diccae.settings import plan_settings, settings_of
from diccae.source_lists import Lists
from diccae.validation import checked
from diccae.variant_file import check_parts
from diccae.yaml_file import read_yaml


def with_overrides(name: str, **overrides: Any) -> Plan:
    plan = load_plan(name)
    return plan.model_copy(update={"overrides": plan.overrides | overrides})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "name: mine\nseeds: [0]\nname: other\n",
            ", line 3: the key 'name' is also in line 1; remove one",
        ),
        (
            "overrides:\n  data.flip: true\n  data.flip: false\n",
            ", line 3: the key 'data.flip' is also in line 2; remove one",
        ),
        (
            "name: mine\nseeds: [0\ntable1: 3\n",
            ", line 3: not valid YAML: expected ',' or ']', but got ':'",
        ),
        ("- name\n", ": wanted a mapping of keys, got list"),
        ("name: \x07\n", ": not valid YAML: "),
    ],
)
def test_a_yaml_file_with_a_mistake(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        read_yaml(path)
    assert str(error.value).startswith(f"{path}{message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# one\nmethod = dict(circle=)\n", ", line 2: not valid Python: "),
        ("k = 3\nmethod = dict(kmeans_k=n)\n", ", line 2: NameError: name 'n' is not defined"),
        (
            "method = dict(\n    coverage=1 / 0,\n)\n",
            ", line 2: ZeroDivisionError: division by zero",
        ),
        (
            "method = dict(circle='quantile')\n\nmethod = dict(pca_dim=2)\n",
            ", line 3: 'method' is also assigned in line 1, and only the last one would count; "
            "remove one",
        ),
    ],
)
def test_a_config_with_a_mistake(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        read_config(path)
    assert str(error.value).startswith(f"{path}{message}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"method": 3}, "here: method: wanted dict(...), got 3"),
        (
            {"stages": {"warmupp": False}},
            "here, stages: unknown key 'warmupp'; did you mean 'warmup'?; there is: warmup, "
            "pretrain",
        ),
        ({"stages": {"finetune": False}}, "here, stages: unknown key 'finetune'; there is: "),
        ({"stages": {"warmup": "no"}}, "here, stages: wanted warmup=False or True, got 'no'"),
        ({"scales": {"vgsound": {}}}, "here, scales: unknown key 'vgsound'; did you mean"),
        (
            {"scales": {"embedded": {"methods": {}}}},
            "here, scales.embedded: unknown key 'methods'; did you mean 'method'?",
        ),
    ],
)
def test_a_part_of_a_variant_that_nothing_would_read(content: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        check_parts(content, ["warmup", "pretrain", "finetune"], "here")
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"data.num_classes": "seven"}, "plan smoke: data.num_classes: Input should be a valid"),
        ({"data.num_classes": 1}, "plan smoke: data.num_classes: Input should be greater than"),
        ({"data.update_per_class": 1}, "plan smoke: data.update_per_class: Input should be great"),
        (
            {"data.pretrain_splits": ["unlabelled", "test"]},
            "plan smoke: data.pretrain_splits: wanted splits to train on, such as unlabelled and "
            "train; the clips of test are held out of training",
        ),
        ({"cache.max_bad_share": 5}, "plan smoke: cache.max_bad_share: Input should be less"),
        (
            {"benchmark.design": "circle"},
            "plan smoke: benchmark.design: Input should be 'pairs'",
        ),
        ({"benchmark.counts": {"Test": 3}}, "plan smoke: benchmark.counts.Test"),
        (
            {"data.num_frames": 32},
            "plan smoke: data.num_frames is 32 and cache.num_frames only 16; lower the one or",
        ),
        (
            {"data.spec_augment.freq_mask": 65},
            "plan smoke: data.spec_augment.freq_mask is 65 and cache.n_mels only 64",
        ),
        (
            {"data.num_frames": 4},
            "plan smoke: video_encoder.in_channels is 8, but the input has 4",
        ),
        (
            {"method.circle": "min_enclosing", "method.pca_dim": 3},
            "configs/variants/full.py with the overrides of plan smoke, method: circle "
            "min_enclosing exists in 2 dimensions, got pca_dim 3; set pca_dim to 2 or choose "
            "another circle",
        ),
        (
            {"schedule.finetune.batch_size": 30},
            "plan smoke, estimate of gblend: the batch size 30 is no multiple of",
        ),
        (
            {"schedule.finetune.batch_size": 4},
            "plan smoke, estimate of gblend: a batch of 4 holds data.samples_per_class 4 clips of "
            "one class",
        ),
        ({"schedule": 5}, "plan smoke, schedule: wanted a mapping of keys, got 5"),
        (
            {"method.temperature": float("inf")},
            "configs/variants/full.py with the overrides of plan smoke, method: temperature: Input",
        ),
        (
            {"runtime.threads": 2},
            "plan smoke, overrides: no key 'runtime.threads' in configs; 'runtime' is a section of",
        ),
        (
            {"method.infonce_temperature": 1},
            "plan smoke, overrides: no key 'method.infonce_temperature' in configs; did you mean",
        ),
        ({"video_encoder": 3}, "plan smoke: video_encoder: Input should be a valid dictionary"),
        ({"benchmark.counts": {"test": -1}}, "plan smoke: benchmark.counts.test: Input should be"),
        (
            {"method.infonce_weight": 0.0},
            "plan smoke, warmup of full: no loss is left to train with; set method.infonce_weight",
        ),
    ],
)
def test_an_override_that_is_not_possible(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        check(with_overrides("smoke", **overrides))
    assert str(error.value).startswith(message)


def test_encoders_of_another_size_than_the_input() -> None:
    with pytest.raises(UserError, match=r"audio_encoder.n_mels is 128, but the input has 64"):
        check(with_overrides("vggsound", **{"cache.n_mels": 64}))


@pytest.mark.parametrize("seeds", [[-1], [0, MAX_SEED + 1], [2**32], [1, 1]])
def test_seeds_that_a_library_cannot_take(seeds: list[int]) -> None:
    content = load_plan("embedded-full").model_dump(by_alias=True)
    rates = content["learning_rates"] | {"seeds": seeds}
    for changes in ({"seeds": seeds}, {"learning_rates": rates}):
        with pytest.raises(UserError, match="seeds: wanted distinct seeds from 0 to 2,000,000,000"):
            checked(Plan, content | changes, "here")


def test_update_clips_of_a_class_follow_the_lists_unless_the_plan_says_fewer() -> None:
    plan = load_plan("vggsound")
    assert plan.lists is not None
    lists = Lists(**(plan.lists.model_dump() | {"update_per_class": 7}))
    plan = plan.model_copy(update={"lists": lists})
    assert settings_of(plan, "finetune", "full").base["data"]["update_per_class"] == 7
    fewer = plan.model_copy(update={"overrides": {"data.update_per_class": 5}})
    assert settings_of(fewer, "finetune", "full").base["data"]["update_per_class"] == 5
    with pytest.raises(UserError, match="update_per_class: wanted 2 or more, since one clip makes"):
        checked(Lists, lists.model_dump() | {"update_per_class": 1}, "here")
    none = plan.model_copy(update={"lists": lists.model_copy(update={"update_per_class": 0})})
    assert settings_of(none, "finetune", "full").base["data"]["update_per_class"] == 20


def test_a_variant_with_an_unknown_part(monkeypatch: pytest.MonkeyPatch) -> None:
    read = settings._config
    changed = {"variants/rank": {"methods": {"normalization": "rank"}}}
    monkeypatch.setattr(settings, "_config", lambda name: changed.get(name) or read(name))
    plan = load_plan("smoke").model_copy(update={"name": "mine"})
    message = r"^configs/variants/rank.py: unknown key 'methods'; did you mean 'method'\?"
    with pytest.raises(UserError, match=message):
        settings_of(plan, "finetune", "rank")


def test_an_override_leaves_a_variant_what_it_is() -> None:
    plan = with_overrides("embedded", **{"method.refine_every": 2, "method.weighting": "flat_mean"})
    choices = settings_of(plan, "pretrain", "no_refinement").choices
    assert (choices.refine_every, choices.weighting) == (0, "flat_mean")
    assert settings_of(plan, "pretrain", "full").choices.refine_every == 2
    assert settings_of(plan, "finetune", "fixed_weight@w=4").choices.weighting == "static"


def test_a_section_that_nothing_reads() -> None:
    config = plan_settings(load_plan("smoke"))
    with pytest.raises(UserError, match="assigns 'cahce', which nothing reads; did you mean 'cach"):
        checked_sections(config | {"cahce": {}}, "here")


def test_stored_frames_as_jpeg_need_a_cache_that_stores() -> None:
    with pytest.raises(UserError) as error:
        plan_settings(with_overrides("vggsound", **{"cache.format": "jpeg"}))
    assert str(error.value).endswith(
        "cache.format is jpeg, but cache.mode live stores no frames; set cache.mode: stored, or "
        "leave cache.format out"
    )
    stored = {"cache.mode": "stored", "cache.format": "jpeg"}
    cache = plan_settings(with_overrides("vggsound", **stored))["cache"]
    assert cache["format"] == "jpeg"
    with pytest.raises(UserError, match=r"cache.format: .*'raw' or 'jpeg', got 'png'"):
        plan_settings(with_overrides("ucf101", **{"cache.format": "png"}))


def test_the_default_format_is_no_part_of_settings_and_hashes() -> None:
    plan = load_plan("embedded")
    chosen = with_overrides("embedded", **{"cache.format": "raw"})
    packed = with_overrides("embedded", **{"cache.format": "jpeg"})
    assert "format" not in plan_settings(plan)["cache"]
    assert plan_settings(chosen) == plan_settings(plan)
    # the workflow makes the cache of another format anew
    assert data_key(chosen) == data_key(plan) != data_key(packed)


def test_an_optimiser_without_a_name_is_refused() -> None:
    stage: dict[str, Any] = dict(epochs=2, batch_size=16, lr=0.1, weight_decay=0.0, steps=None)
    stage["optimizer"] = {"betas": [0.9, 0.95]}
    plan = with_overrides("embedded", **{"schedule.finetune": stage})
    with pytest.raises(UserError, match="finetune.*the name of an optimiser as optimizer.type"):
        settings_of(plan, "finetune", "full")
