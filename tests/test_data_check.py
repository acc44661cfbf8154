"""Plans against clips that do not suit them: refused in one sentence before anything is trained."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from diccae.clip_counts import Clips, count_table
from diccae.data_check import check_data
from diccae.errors import UserError
from diccae.plans import load_plan
from tests.own_clips import CLASSES, clips, manifest, plan_of


def without(split: str) -> Clips:
    return clips(changes={(name, split): 0 for name in CLASSES})


def test_a_plan_whose_clips_are_enough_passes() -> None:
    check_data(plan_of(), [clips()])


@pytest.mark.parametrize("number", [2, 7])
def test_the_number_of_classes_is_that_of_the_clips(number: int) -> None:
    with pytest.raises(UserError) as error:
        check_data(plan_of(data__num_classes=number), [clips()])
    assert str(error.value) == (
        f"plan mine: data.num_classes is {number}, but the clips have 3 classes, hail, rain, snow; "
        "set data.num_classes: 3 in the plan's overrides "
        "(mine.csv: 105 found of 105 listed clips, not probed yet)"
    )


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (without("test"), ["finetune has no clip in split test, which it scores"]),
        (
            without("validation"),
            ["no clip in split validation", "lists.validation_per_class"],
        ),
        (without("update"), ["no clip in split update", "raise lists.update_per_class"]),
        (
            clips(unlabelled=0),
            [
                "there is no clip in data.pretrain_splits [unlabelled] to pre-train on",
                "set data.pretrain_splits: [unlabelled, train]",
            ],
        ),
        (
            clips(changes={("rain", "test"): 0}),
            ["class 'rain' has 0 clips in split test", "wants 1 or more", "add test clips"],
        ),
        (
            clips(changes={("rain", "update"): 1, ("snow", "update"): 0}),
            ["class 'snow' has 0 clips in split update (1 more class has too few)", "wants 2"],
        ),
        (clips(changes={("hail", "train"): 0}), ["class 'hail' has 0 clips in split train"]),
        (
            clips(unlabelled=10),
            ["data.update_unlabelled is 10, of 10 clips in data.pretrain_splits [unlabelled]"],
        ),
        (
            clips(unlabelled=25),
            [
                "15 clips of data.pretrain_splits [unlabelled]",
                "for schedule.warmup.batch_size 16 and schedule.pretrain.batch_size 16; lower them",
            ],
        ),
        (
            clips(changes={(name, "train"): 3 for name in CLASSES}),
            ["class 'hail' has 3 clips to train on", "samples_per_class 4; lower it to 3"],
        ),
    ],
)
def test_clips_that_are_too_few_are_refused(found: Clips, words: list[str]) -> None:
    with pytest.raises(UserError) as error:
        check_data(plan_of(), [found])
    for word in ["plan mine: ", "(mine.csv: ", *words]:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            {"method__kmeans_k": 51, "data__update_unlabelled": 10},
            ["50 clips of", "are too few for method.kmeans_k 51 clusters; lower it"],
        ),
        (
            {"method__kmeans_k": 6},
            ["data.update_unlabelled is 10 for method.kmeans_k 6 clusters", "to 12 or more"],
        ),
        (
            {"data__pretrain_splits": ["unlabelled", "trian"]},
            [
                "no clip in split 'trian' of data.pretrain_splits",
                "set data.pretrain_splits: [unlab",
            ],
        ),
        ({"data__update_unlabelled": 0}, ["data.update_unlabelled is 0, of 60 clips"]),
        (
            {"data__train_per_class": 9},
            ["class 'hail' has 8 clips in split train (2 more classes have too few)", "wants 9"],
        ),
        ({"data__update_per_class": 3}, ["wants 3 or more", "lower data.update_per_class"]),
        (
            {"data__train_per_class": 2, "data__samples_per_class": 2},
            ["6 clips of split train are too few for schedule.finetune.batch_size 8; lower it"],
        ),
        (
            {"data__train_per_class": 7, "schedule__finetune__batch_size": 16},
            ["3 groups of data.samples_per_class 4 clips", "a batch of 16 takes 4", "size to 12"],
        ),
    ],
)
def test_numbers_that_are_too_large_for_the_clips_are_refused(
    overrides: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(UserError) as error:
        check_data(plan_of(**overrides), [clips()])
    for word in words:
        assert word in str(error.value)


def test_training_clips_can_be_the_pool_of_pre_training() -> None:
    overrides = {"data__update_unlabelled": 8, "data__pretrain_splits": ["unlabelled", "train"]}
    check_data(plan_of(**overrides), [clips(unlabelled=0)])


def test_the_portion_of_the_test_split_leaves_clips_to_score() -> None:
    found = clips(changes={(name, "test"): 2 for name in CLASSES})
    with pytest.raises(UserError, match="2 clips in split test .*finetune wants 3"):
        check_data(plan_of(), [found])


def test_what_is_wrong_in_each_stage_is_said_once() -> None:
    with pytest.raises(UserError) as error:
        check_data(plan_of(schedule__finetune__batch_size=32), [clips(unlabelled=25)])
    problems = str(error.value).removeprefix("plan mine: ").split(" | ")
    assert [problem.split()[0] for problem in problems] == ["15", "24"]


def test_a_source_that_has_no_clip_is_named() -> None:
    section = load_plan("embedded").table2
    plan = plan_of().model_copy(update={"table2": section})
    check_data(plan, [clips()])
    table = manifest()
    table["source"] = "others"
    with pytest.raises(UserError, match="no_kmeans_audioset has no clip of source 'embedded-a'"):
        check_data(plan, [count_table(table, "mine.csv")])


def test_all_processes_need_a_batch_of_their_own() -> None:
    check_data(plan_of(), [clips()], processes=3)
    with pytest.raises(UserError, match="are too few for .* on each of 4 processes"):
        check_data(plan_of(), [clips()], processes=4)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("split", "Test", "split 'Test' is not known; write 'test'"),
        ("label", -1, "1 clips of split train have no label"),
        ("label", 1, "label 1 is 'hail' and 'rain'; give each class a label of its own"),
        ("label", 3, "'hail' is label 0 and label 3; give each class one label"),
    ],
)
def test_a_manifest_with_a_wrong_row_is_refused(column: str, value: object, words: str) -> None:
    table = manifest()
    table.loc[0, column] = value
    with pytest.raises(UserError, match=words):
        check_data(plan_of(), [count_table(table, "mine.csv")])


def test_a_label_that_no_clip_has_is_named() -> None:
    table = manifest()
    table.loc[table["label_name"] == "snow", "label"] = 4
    with pytest.raises(UserError, match="no clip has label 2, but labels go up to 4"):
        check_data(plan_of(), [count_table(table, "mine.csv")])


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"schedule__warmup__steps": 3}, None),
        (
            {"schedule__warmup__steps": 1, "schedule__pretrain__steps": 1, "method__kmeans_k": 17},
            "the 16 clips of schedule.warmup.steps are too few for method.kmeans_k 17",
        ),
        (
            {"schedule__warmup__steps": 1},
            "schedule.warmup.steps clusters 16 clips, and pretrain trains on others too; raise sch",
        ),
        ({"schedule__warmup__steps": 2, "schedule__pretrain__steps": 1}, None),
    ],
)
def test_a_budget_in_steps_leaves_enough_clips_to_cluster(
    overrides: dict[str, Any], words: str | None
) -> None:
    epochs = {"schedule__warmup__epochs": 1, "schedule__pretrain__epochs": 1}
    plan = plan_of(data__update_unlabelled=14, **epochs, **overrides)
    if words is None:
        check_data(plan, [clips()])
    else:
        with pytest.raises(UserError, match=words):
            check_data(plan, [clips()])


def test_a_file_that_was_not_found_counts_for_no_split_but_for_its_class() -> None:
    table = manifest()
    table.loc[table["label_name"] == "rain", "path"] = ""
    with pytest.raises(UserError, match="class 'rain' has 0 clips in split train"):
        check_data(plan_of(), [count_table(table, "mine.csv")])


def test_without_labels_only_totals_are_checked() -> None:
    counts = Counter({("unlabelled", "b"): 60, ("train", "b"): 24, ("test", "b"): 3})
    counts |= Counter({("validation", "b"): 3, ("update", "b"): 6})
    check_data(plan_of(), [Clips(counts, "official lists")])
    counts["train", "b"] = 7
    with pytest.raises(UserError, match="7 clips of split train are too few"):
        check_data(plan_of(), [Clips(counts, "official lists")])
