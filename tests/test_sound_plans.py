"""The plans on Kitchen20 and ESC-10: what they share, on laid-out lists, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from diccae.clips_of_plan import count_each, count_folds
from diccae.data_check import check_data
from diccae.datasets.readers.assemble import assemble
from diccae.engine.stored_features import build_features
from diccae.errors import UserError
from diccae.planning.work import artifacts, work_of
from diccae.plans import Plan, load_plan
from diccae.run_graph import Run
from diccae.seed_sets import seed_sets
from diccae.settings import plan_settings
from tests.documents import ROOT

PLANS = ("kitchen20", "kitchen20-frozen", "esc10")
TUNED_BY = {
    "kitchen20": "kitchen20-tuning",
    "kitchen20-frozen": "kitchen20-frozen-tuning",
    "esc10": "kitchen20-frozen-tuning",
}
HEADER = "category,fold,path,take,target,usr_id"
# clips of each recording of a class
SIZES = (1, 2, 3, 4) * 4


def lay_out(folder: Path) -> None:
    """The list of Kitchen20 and the folders of ESC-10, 40 clips of 16 recordings in each class;
    files are empty."""
    rows = [HEADER]
    for label in range(20):
        for group, size in enumerate(SIZES):
            for take in "ABCD"[:size]:
                name = f"{group % 5}-{label}{group:02}-{take}-{label}.wav"
                words = f"class {label},{group % 5 + 1},audio/{name},{take},{label}"
                rows.append(f"{words},{label}{group:02}")
    path = folder / "media/kitchen20/kitchen20.csv"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(rows) + "\n")
    for label in range(10):
        sounds = folder / f"media/ESC-10/{label + 1:03} - sound {label}"
        sounds.mkdir(parents=True)
        for group, size in enumerate(SIZES):
            for take in "ABCD"[:size]:
                (sounds / f"{group % 5 + 1}-9{label}{group:02}-{take}.ogg").touch()


@pytest.fixture
def lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the lists."""
    monkeypatch.chdir(tmp_path)
    lay_out(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["kitchen20", "esc10"])
def test_the_clips_of_every_fold_suit_the_plan(name: str, lists: Path) -> None:
    plan = load_plan(name).first_seeds(1)
    folds = count_each(plan)
    check_data(plan, folds)
    own, other = (source.reader for source in plan.lists.sources) if plan.lists else ("", "")
    for clips in folds:
        # recordings without labels join the pool, beside all of the other data set
        assert clips.of(["unlabelled"], [own]) > 0
        assert clips.of(["unlabelled"], [other]) == {"esc50": 400, "kitchen20": 800}[other]
        assert clips.total == 1200
    runs = {run for own in artifacts(plan).values() for run in own}
    assert all(work_of(run, folds[0]).steps > 0 for run in runs)


def test_the_clips_of_one_fold_are_those_counted_among_all(lists: Path) -> None:
    plan = load_plan("kitchen20").first_seeds(2)
    assert plan.lists is not None
    table = assemble(plan.lists, False, plan.split_into, 20).assign(path="found")
    every = count_folds(plan, table, "the lists")
    assert len({str(clips) for clips in every}) == len(every) == 10
    assert count_folds(plan, table, "the lists", [(plan.seeds[1], 4)]) == [every[8]]


@pytest.mark.parametrize("name", PLANS)
def test_all_weights_of_figure_3_and_the_rows_without_clusters_share_a_pre_training(
    name: str,
) -> None:
    plan = load_plan(name)
    section = plan.figure3
    sweep = [] if section is None else section.variants
    owners = {
        Run(plan, "pretrain", variant, plan.seeds[0], fold=1).owner
        for variant in [*sweep, "no_kmeans", "no_confusion_loss"]
    }
    assert owners == {Run(plan, "warmup", "full", plan.seeds[0], fold=1)}


@pytest.mark.parametrize(("name", "tuning"), TUNED_BY.items())
def test_rate_and_epochs_are_those_that_were_chosen(name: str, tuning: str) -> None:
    plan, chosen_by = load_plan(name), load_plan(tuning)
    assert {variant.partition("@")[0] for variant in chosen_by.variants()} == {"from_scratch"}
    assert set(chosen_by.seeds) <= set(seed_sets().tuning)
    assert not set(chosen_by.seeds) & set(plan.seeds)
    assert chosen_by.overrides["data.folds"] == plan.overrides["data.folds"]
    table = pd.read_csv(ROOT / "results" / "reference" / tuning / "tuning.csv")
    best = table[table["best"].fillna("").str.startswith("yes")].set_index("parameter")["value"]
    schedule = plan_settings(plan)["schedule"]
    assert set(best.index) == set(chosen_by.parameters)
    chosen = {name: schedule["finetune"][name] for name in best.index}
    assert chosen == pytest.approx(best.to_dict())
    # nothing else was tuned
    for stage in ("warmup", "pretrain"):
        assert schedule[stage]["lr"] == schedule["finetune"]["lr"]


def features_of(plan: Plan) -> Path:
    return Path(plan_settings(plan)["features"]["audio"]["file"])


@pytest.mark.parametrize("name", ["kitchen20-frozen", "esc10"])
def test_a_missing_file_of_vectors_is_named_with_the_page_that_says_how_to_make_it(
    name: str, lists: Path
) -> None:
    plan = load_plan(name)
    with pytest.raises(UserError, match=f"file or folder {features_of(plan)}.*docs/features.md"):
        build_features(plan)
