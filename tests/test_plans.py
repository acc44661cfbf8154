"""Plans and composed configs: errors and their texts, and what variants change."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from diccae.errors import UserError
from diccae.plans import (
    CONFIG_ROOT,
    DEFAULT_SYSTEM,
    Plan,
    known_plans,
    known_variants,
    load_plan,
)
from diccae.run_graph import Run, check
from diccae.settings import settings_of, variant_of
from diccae.systems.diccae import DiccaeChoices
from diccae.validation import checked
from diccae.workflow import Workflow


def plan_file(folder: Path, **changes: object) -> Path:
    content = yaml.safe_load((CONFIG_ROOT / "plans" / "smoke.yaml").read_text())
    content.update(changes, name="mine")
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize("name", known_plans())
def test_every_plan_of_the_repository_composes(name: str) -> None:
    check(load_plan(name))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sedes": [0]}, ["sedes", "unknown key", "seeds"]),
        ({"seeds": []}, ["seeds"]),
        ({"seeds": [0, 0]}, ["seeds", "distinct"]),
        (
            {"table2": {"variants": ["full", "no_kmean"], "modalities": ["A"]}},
            ["no_kmean", "no_kmeans"],
        ),
        (
            {"table2": {"variants": ["full"], "modalities": ["audio"]}},
            ["table2.modalities.0", "audio"],
        ),
        (
            {
                "figure3": {
                    "variant": "fixed_weight",
                    "dynamic": "full",
                    "modality": "A",
                    "weights": [1],
                }
            },
            ["figure3.weights"],
        ),
    ],
)
def test_an_invalid_plan_is_an_error_that_names_file_and_key(
    tmp_path: Path, changes: dict[str, object], words: list[str]
) -> None:
    path = plan_file(tmp_path, **changes)
    with pytest.raises(UserError) as error:
        load_plan(path)
    assert str(path) in str(error.value)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("schedule.finetune.epochs", 0, ["finetune.epochs", "greater than or equal to 1"]),
        ("method.coverage", 1.5, ["coverage", "1.5"]),
        ("method.normalization", "softmax", ["normalization", "softmax"]),
        ("method.normalisation", "rank", ["method.normalisation", "normalization"]),
    ],
)
def test_an_invalid_override_is_found_before_anything_runs(
    tmp_path: Path, key: str, value: object, words: list[str]
) -> None:
    plan = load_plan(plan_file(tmp_path, overrides={key: value}))
    with pytest.raises(UserError) as error:
        check(plan)
    for word in words:
        assert word in str(error.value)


def test_an_unknown_variant_names_the_closest_one() -> None:
    with pytest.raises(UserError, match="did you mean 'no_kmeans'"):
        Run(load_plan("embedded"), "pretrain", "no_kmean", 0).config()


def test_a_missing_plan_names_the_known_ones() -> None:
    with pytest.raises(UserError, match="did you mean 'embedded'. Known plans: .*embedded"):
        load_plan("embeded")


def test_every_choice_of_the_method_has_a_default_in_base() -> None:
    settings = settings_of(load_plan("embedded"), "pretrain", "full")
    assert set(settings.choices.model_dump()) == set(DiccaeChoices.model_fields)


@pytest.mark.parametrize(
    "variant",
    [name for name in known_variants() if name not in ("fixed_weight", "dynamic_weight")],
)
def test_every_variant_differs_from_the_default_of_its_system(variant: str) -> None:
    plan = load_plan("embedded")
    own = variant_of(plan, variant)
    default = "full" if own.system.name == DEFAULT_SYSTEM else own.system.name
    if variant == default:
        pytest.skip("it is the default of its system")
    # in the order of training: what starts from another pre-training may lack a modality
    stages = [stage.name for stage in own.system.stages if stage.name in own.stages]
    assert any(
        Run(plan, stage, default, 0).config_hash != Run(plan, stage, variant, 0).config_hash
        for stage in stages
    )


def test_a_reference_outside_of_the_tables_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="reference: wanted one of the variants of table1"):
        load_plan(plan_file(tmp_path, reference="rank"))


def test_a_budget_in_steps_is_one_epoch_over_a_sample_of_the_clips(tmp_path: Path) -> None:
    steps = {
        "schedule.pretrain.epochs": 1,
        "schedule.pretrain.steps": 7,
        "schedule.pretrain.batch_size": 16,
        "schedule.warmup.epochs": 1,
        "schedule.warmup.steps": 5,
    }
    content = load_plan("vggsound").model_dump(by_alias=True)
    plan = checked(Plan, content | {"overrides": steps}, "here")
    config = Run(plan, "pretrain", "full", 0).config()
    assert config.train_cfg.max_epochs == 1
    assert config.train_dataloader.batch_size == 16
    assert config.train_dataloader.dataset.limit == 7 * 16
    # the clips that are trained on are clustered; update set and other stages do not change
    assert Run(plan, "warmup", "full", 0).config().extract_dataloader.dataset.limit == 5 * 32
    assert "limit" not in config.update_dataloader.dataset
    assert "limit" not in Run(plan, "finetune", "full", 0).config().train_dataloader.dataset
    assert (
        "limit"
        not in Run(load_plan("vggsound"), "pretrain", "full", 0).config().train_dataloader.dataset
    )
    two_epochs = checked(
        Plan, content | {"overrides": steps | {"schedule.pretrain.epochs": 2}}, "here"
    )
    with pytest.raises(UserError, match="pretrain: wanted epochs 1 beside steps, got epochs 2"):
        Run(two_epochs, "pretrain", "full", 0).config()


def test_the_literal_plans_differ_in_their_budgets_and_have_no_other_systems() -> None:
    default = load_plan("vggsound").model_dump(by_alias=True)
    default["table1"]["variants"] = ["full", "from_scratch"]
    budgets = {}
    for name in ("vggsound-literal-steps", "vggsound-literal-epochs"):
        literal = load_plan(name).model_dump(by_alias=True)
        budgets[name] = literal.pop("overrides")
        assert literal == {key: value for key, value in default.items() if key != "overrides"} | {
            "name": name
        }
    assert budgets == {
        "vggsound-literal-steps": {
            "schedule.warmup.epochs": 1,
            "schedule.warmup.steps": 500,
            "schedule.pretrain.epochs": 1,
            "schedule.pretrain.steps": 500,
            "schedule.finetune.epochs": 1,
            "schedule.finetune.steps": 30,
        },
        "vggsound-literal-epochs": {
            "schedule.warmup.epochs": 500,
            "method.refine_every": 10,
            "schedule.pretrain.epochs": 500,
            "schedule.finetune.epochs": 30,
        },
    }


@pytest.mark.parametrize(("name", "source"), [("embedded", "embedded-a"), ("vggsound", "audioset")])
def test_no_kmeans_audioset_trains_on_a_single_source_of_its_scale(name: str, source: str) -> None:
    config = Run(load_plan(name), "pretrain", "no_kmeans_audioset", 0).config()
    assert config.train_dataloader.dataset.sources == [source]


def test_missing_lists_are_one_error_that_names_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = load_plan("vggsound")
    with pytest.raises(
        SystemExit,
        match="^diccae: plan vggsound, lists.sources: 5 of 5 list files are missing, "
        "media/lists/vggsound.csv of vggsound first; put them",
    ):
        Workflow([plan]).list_files(plan.data_root)
    Path("media/lists").mkdir(parents=True)
    assert plan.lists is not None
    wanted = [path for source in plan.lists.sources for path in source.lists]
    for path in wanted:
        Path(path).touch()
    assert Workflow([plan]).list_files(plan.data_root) == wanted


def test_a_parametrised_variant_sets_its_key() -> None:
    plan = load_plan("embedded")
    assert settings_of(plan, "finetune", "fixed_weight@w=4").choices.static_weight == 4
    assert settings_of(plan, "finetune", "full@lr=0.002").schedule.stages["finetune"].lr == 0.002


def test_pre_training_does_not_depend_on_the_update_set_of_fine_tuning() -> None:
    plan = load_plan("embedded")
    assert Run(plan, "pretrain", "test_portion", 0).config_hash == (
        Run(plan, "pretrain", "full", 0).config_hash
    )


def test_single_modality_runs_have_no_infonce() -> None:
    plan = load_plan("embedded")
    assert Run(plan, "finetune", "full", 0, "A").config().model.info_nce is None
    assert Run(plan, "finetune", "full", 0, "AV").config().model.info_nce is not None
