"""Plans that ask for pictures of sound files, and caches of another modality."""

from __future__ import annotations

from pathlib import Path

import pytest

from diccae.clip_counts import count_listed, count_table
from diccae.clip_modality import keys_that_ask, require_modality
from diccae.data_check import check_data
from diccae.datasets.clips import write_meta
from diccae.errors import UserError
from diccae.planned_job import data_key
from diccae.planning import costs
from diccae.planning.work import work_of
from diccae.plans import Plan, load_plan
from diccae.run_graph import runs_of_a_seed
from diccae.sections import Section, Table1
from diccae.settings import plan_settings
from diccae.shared_memory import wanted_bytes
from diccae.workflow import Workflow
from tests.own_clips import manifest, plan_of


def alone(plan: Plan, modality: str, **changes: object) -> Plan:
    """The plan with one variant that is scored in one modality."""
    section = Section(variants=["from_scratch"], modalities=[modality])
    sections = ("sensitivity", "cluster_ce", "controls", "figure2", "figure3", "mechanism")
    others = dict.fromkeys((*sections, "leakage"))
    table1 = Table1(variants=["from_scratch"], modalities=[modality])
    content = {"table1": table1, "table2": section, "reference": "from_scratch", **others}
    return plan.model_copy(update=content | changes)


def test_the_modality_of_a_plan_is_all_that_it_scores_or_trains_on() -> None:
    plan = load_plan("smoke")
    assert plan.modality == "AV"
    assert [alone(plan, letter).modality for letter in ("A", "V", "AV")] == ["A", "V", "AV"]
    assert alone(plan, "A", pretrain_modality="V").modality == "AV"
    assert alone(plan, "A", pretrain_modality="A").modality == "A"
    table2 = Section(variants=["from_scratch"], modalities=["V"])
    assert alone(plan, "A", table2=table2).modality == "AV"


@pytest.mark.parametrize("suffix", ["wav", "FLAC", "ogg", "opus", "mp3", "m4a"])
def test_pictures_of_sound_files_are_refused_with_the_keys(suffix: str) -> None:
    table = manifest()
    table["path"] = f"folder.mp4/clip.{suffix}"
    clips = count_table(table, "mine.csv")
    check_data(alone(plan_of(), "A"), [clips])
    with pytest.raises(UserError) as error:
        check_data(alone(plan_of(), "V"), [clips])
    assert str(error.value) == (
        "plan mine: 105 of 105 clips are sound files without a picture, but table1.modalities, "
        "table2.modalities ask for V; set A alone there, or give the videos "
        "(mine.csv: 105 found of 105 listed clips, not probed yet)"
    )
    with pytest.raises(UserError, match="but pretrain_modality asks for V; set A alone there"):
        check_data(alone(plan_of(), "A", pretrain_modality="AV"), [clips])
    # before the files are searched for
    listed = count_listed(table.assign(video=table["path"], path=""), "the plan's lists")
    with pytest.raises(UserError, match="table2.modalities ask for V"):
        check_data(alone(plan_of(), "AV"), [listed])


def test_a_few_sound_files_are_left_to_the_share_of_unusable_clips() -> None:
    table = manifest()
    table.loc[0, "path"] = "clip.wav"
    allowed = plan_of(cache__max_bad_share=0.01)
    check_data(alone(allowed, "V"), [count_table(table, "mine.csv")])
    table.loc[:1, "path"] = "clip.wav"
    with pytest.raises(UserError, match="2 of 105 clips are sound files"):
        check_data(alone(allowed, "V"), [count_table(table, "mine.csv")])


def test_every_kind_of_section_is_named() -> None:
    assert keys_that_ask(load_plan("smoke"), "V") == [
        "table1.modalities",
        "table2.modalities",
        "sensitivity.modalities",
        "figure2.modality",
        "controls.modalities",
        "leakage.modality",
        "mechanism.modality",
    ]
    assert "figure3.modality" in keys_that_ask(load_plan("smoke"), "A")


def test_nothing_is_trained_on_a_cache_of_another_modality(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = alone(plan_of(), "A")
    require_modality(plan)
    plan.cache_dir.mkdir(parents=True)
    write_meta(plan.cache_dir, {"settings": {"modality": "AV"}})
    with pytest.raises(UserError, match="made for modality AV, plan mine asks for A; run `diccae"):
        require_modality(plan)
    write_meta(plan.cache_dir, {"settings": {"modality": "A"}})
    require_modality(plan)


def test_plans_that_share_a_folder_ask_for_the_same_clips() -> None:
    one = load_plan("smoke")
    other = alone(one, "A", name="sounds")
    assert data_key(one) != data_key(other)
    with pytest.raises(SystemExit) as error:
        Workflow([one, other]).data_plan(one.data_root)
    assert str(error.value) == (
        "diccae: plans share results/data/smoke but ask for clips of different modalities, sounds "
        "for A and smoke for AV; give one another data_root, or set pretrain_modality: AV in the "
        "other"
    )
    both = other.model_copy(update={"pretrain_modality": "AV"})
    assert Workflow([one, both]).data_plan(one.data_root) == one


def test_disk_and_shared_memory_hold_what_is_asked_for() -> None:
    plan = load_plan("vggsound")
    base = plan_settings(plan)
    sizes = {}
    for modality in ("A", "V", "AV"):
        own = alone(plan, modality)
        clips = count_table(manifest(), "mine.csv")
        run = runs_of_a_seed(own)[-1]
        work = {run: work_of(run, clips)}
        need = costs.disk(own, 100, work, dict.fromkeys(map(costs.kind_of, work), 1), devices=1)
        sizes[modality] = need.cache_stored, wanted_bytes(base, own.modality)
    cache, schedule = base["cache"], base["schedule"]
    fbank = 2 * cache["n_mels"] * cache["fbank_frames"]
    assert sizes["A"][0] == 100 * fbank
    assert sizes["V"][0] == 100 * 3 * cache["num_frames"] * cache["frame_size"] ** 2
    assert sizes["AV"][0] == sizes["A"][0] + sizes["V"][0]
    batches = [part["batch_size"] for part in schedule.values() if isinstance(part, dict)]
    largest = max([*batches, schedule["eval_batch_size"]])
    assert sizes["A"][1] == schedule["num_workers"] * 2 * largest * fbank
    assert sizes["A"][1] < sizes["V"][1] < sizes["AV"][1]
