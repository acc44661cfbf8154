"""Clips, steps, artifacts and disk space of a plan, against numbers worked out by hand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from diccae.clip_counts import Clips
from diccae.clips_of_plan import count_each
from diccae.datasets.clips import write_meta
from diccae.datasets.packed_frames import jpeg_bytes
from diccae.digests import file_digest
from diccae.errors import UserError
from diccae.planning import costs
from diccae.planning.speeds import Calibration, Kind, Speed, Timing
from diccae.planning.work import Work, artifacts, work_of
from diccae.plans import CONFIG_ROOT, Plan, load_plan
from diccae.run_graph import Run
from diccae.source_lists import Lists


@pytest.fixture
def smoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """The smoke plan in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    return load_plan("smoke")


def lists_of(plan: Plan, **changes: object) -> Plan:
    assert plan.lists is not None
    return plan.model_copy(update={"lists": Lists(**(plan.lists.model_dump() | changes))})


def test_clips_come_from_the_plan_then_the_manifest_then_the_cache(smoke: Plan) -> None:
    assert count_each(smoke)[0].of(["train", "test"]) == 120 + 240
    assert "benchmark.counts" in count_each(smoke)[0].origin
    table = pd.DataFrame(
        {
            "id": list("abcdef"),
            "split": ["train", "train", "test", "test", "unlabelled", "unlabelled"],
            "source": ["one", "one", "one", "one", "one", "two"],
            "path": ["a", "b", "c", "", "e", "f"],
            "label": [0, 1, 0, 1, -1, -1],
            "label_name": ["hail", "rain", "hail", "rain", "", ""],
        }
    )
    smoke.manifest.parent.mkdir(parents=True)
    table.to_parquet(smoke.manifest)
    listed = count_each(smoke)[0]
    assert listed.counts == Counter(
        {
            ("train", "one"): 2,
            ("test", "one"): 1,
            ("unlabelled", "one"): 1,
            ("unlabelled", "two"): 1,
        }
    )
    assert "5 found of 6" in listed.origin
    assert listed.names == {0: "hail", 1: "rain"}
    assert listed.of_classes("test") == {0: 1, 1: 0}
    smoke.cache_dir.mkdir()
    table.assign(status=["ok", "missing", "ok", "missing", "ok", "ok"]).to_parquet(
        smoke.cache_dir / "index.parquet"
    )
    assert count_each(smoke)[0] == listed
    write_meta(
        smoke.cache_dir,
        {"settings": {"modality": "AV"}, "manifest_sha256": file_digest(smoke.manifest)},
    )
    assert count_each(smoke)[0].of(["train"]) == 1
    assert "4 usable of 6" in count_each(smoke)[0].origin
    # a cache of another manifest says nothing
    write_meta(smoke.cache_dir, {"manifest_sha256": "0"})
    assert count_each(smoke)[0] == listed


def test_without_lists_the_official_numbers_are_used_and_the_missing_file_is_named(
    smoke: Plan,
) -> None:
    clips = count_each(load_plan("vggsound"))[0]
    assert clips.of(["unlabelled"]) == 2_065_161 + 67_217 + 9_537
    assert clips.of(["update", "validation"]) == 309 * 30
    assert clips.of(["train", "update", "validation"]) == 183_971
    assert clips.of(["test"]) == 15_496
    assert "media/lists/vggsound.csv missing here" in clips.origin
    assert clips.of(["unlabelled"], ["ucf101"]) == 9_537


def test_existing_lists_are_counted_and_missing_ones_take_the_official_number(smoke: Plan) -> None:
    plan = load_plan("vggsound")
    Path("media/lists").mkdir(parents=True)
    Path("media/lists/trainlist01.txt").write_text(
        "Archery/v_Archery_g01_c01.avi 1\nArchery/v_Archery_g01_c02.avi 1\n"
    )
    with pytest.raises(UserError, match="classInd.txt"):
        count_each(plan)[0]
    Path("media/lists/classInd.txt").write_text("1 Archery\n")
    assert count_each(plan)[0].of(["unlabelled"], ["ucf101"]) == 2
    assert "ucf101 2 (its lists)" in count_each(plan)[0].origin


def test_unlabelled_clips_of_the_labelled_source_stay_so_where_another_list_is_missing(
    smoke: Plan,
) -> None:
    rows = [f"{n}.mp4,{'ab'[n % 2]},train" for n in range(20)]
    rows += [f"test{n}.mp4,a,test" for n in range(3)] + [
        f"pool{n}.mp4,,unlabelled" for n in range(50)
    ]
    Path("mine.csv").write_text("\n".join(["path,label_name,split", *rows]) + "\n")
    sources = [
        {"reader": "plain_csv", "lists": ["mine.csv"], "media": "m"},
        {"reader": "audioset", "lists": ["balanced_train_segments.csv"], "media": "m"},
    ]
    plan = lists_of(
        load_plan("vggsound"),
        sources=sources,
        labelled="plain_csv",
        update_per_class=0,
        validation_per_class=0,
    )
    assert count_each(plan)[0].counts == Counter(
        {
            ("train", "plain_csv"): 20,
            ("test", "plain_csv"): 3,
            ("unlabelled", "plain_csv"): 50,
            ("unlabelled", "audioset"): 22_176,
        }
    )


def test_a_missing_list_of_unknown_length_is_an_error(smoke: Plan) -> None:
    sources = [
        {"reader": "vggsound", "lists": ["media/lists/vggsound.csv"], "media": "m"},
        {"reader": "plain_csv", "lists": ["lists/kitchen.csv"], "media": "m"},
    ]
    with pytest.raises(
        UserError,
        match="lists/kitchen.csv is missing, and the number of clips of plain_csv is not known",
    ):
        count_each(lists_of(load_plan("vggsound"), sources=sources))[0]
    bare = load_plan("vggsound").model_copy(update={"lists": None})
    with pytest.raises(
        UserError, match="manifest.parquet is missing and plan vggsound names no lists"
    ):
        count_each(bare)[0]


def test_work_of_the_smoke_plan_equals_the_count_by_hand(smoke: Plan) -> None:
    clips = count_each(smoke)[0]
    # 360 unlabelled clips less 72 held out, batches of 64, 2 epochs; clusters of the warm-up, and
    # anew after the first epoch
    warmup = work_of(Run(smoke, "warmup", "full", 0), clips)
    assert warmup == Work(steps=8, epoch=288, trained=512, embedded=360, scored=0, clustered=288)
    full = work_of(Run(smoke, "pretrain", "full", 0), clips)
    assert full == Work(
        steps=8, epoch=288, trained=512, embedded=2 * 72 + 360, scored=0, clustered=288
    )
    # InfoNCE alone needs neither an update set nor clusters
    plain = work_of(Run(smoke, "pretrain", "no_confusion_loss", 0), clips)
    assert (plain.trained, plain.embedded, plain.clustered) == (512, 0, 0)
    # 6 clips of 12 classes in batches of 32, 5 update clips a class an epoch, validation and test
    tuned = work_of(Run(smoke, "finetune", "full", 0, "A"), clips)
    assert tuned == Work(steps=4, epoch=72, trained=128, embedded=2 * 60, scored=300, clustered=0)


def test_without_a_number_of_update_clips_all_are_read(smoke: Plan) -> None:
    clips = count_each(smoke)[0]
    overrides = smoke.overrides | {"data.update_per_class": None}
    plan = smoke.model_copy(update={"overrides": overrides})
    tuned = work_of(Run(plan, "finetune", "full", 0, "A"), clips)
    # in each of two epochs
    assert tuned.embedded == 2 * clips.of(["update"])


def test_a_budget_in_steps_and_a_single_source_reduce_the_work() -> None:
    clips = Clips(
        Counter(
            {
                ("unlabelled", "audioset"): 40_000,
                ("unlabelled", "ucf101"): 10_000,
                ("train", "vggsound"): 10_000,
            }
        ),
        "",
    )
    literal = work_of(Run(load_plan("vggsound-literal-steps"), "pretrain", "full", 0), clips)
    assert (literal.steps, literal.trained, literal.clustered) == (500, 16_000, 0)
    one = work_of(Run(load_plan("vggsound"), "pretrain", "no_kmeans_audioset", 0), clips)
    # 15,000 of 60,000 clips are held out, a quarter of AudioSet's among them
    assert one.epoch == 30_000


def test_artifacts_share_runs(smoke: Plan) -> None:
    of = artifacts(smoke)
    assert set(of) >= {"table1", "table2", "figure3", "leakage", "ablations/no_confusion_loss"}
    leakage = of["leakage"]
    assert {run.variant for run in leakage if run.stage == "finetune"} == {"full", "test_portion"}
    # both arms of the comparison fine-tune the same pre-training
    assert [run for run in leakage if run.stage == "pretrain"] == [
        Run(smoke, "pretrain", "full", 200),
        Run(smoke, "pretrain", "full", 201),
    ]
    assert all(len(runs) == len(set(runs)) for runs in of.values())


def test_every_plan_has_work_for_all_runs(smoke: Plan) -> None:
    for path in sorted((CONFIG_ROOT / "plans").glob("*.yaml")):
        plan = load_plan(path.stem)
        if plan.split_into is not None:
            continue  # its clips are those of its lists: tests/test_sound_plans.py
        clips = count_each(plan)[0]
        runs = {run for own in artifacts(plan).values() for run in own}
        assert all(work_of(run, clips).steps > 0 for run in runs), plan.name


def test_seconds_of_a_run_are_the_sum_of_its_parts(smoke: Plan) -> None:
    def speed(train: float, embed: float, predict: float | None) -> Speed:
        parts = [Timing(value, 8, 8, 3) for value in (train, embed, predict or 0)]
        return Speed(parts[0], parts[1], None if predict is None else parts[2])

    speeds = {
        Kind("diccae", False, "AV"): speed(3, 2, None),
        Kind("diccae", True, "A"): speed(5, 1, 7),
    }
    measured = Calibration("x", False, 1.0, speeds, 0.001, None, [])
    tuned, first = Run(smoke, "finetune", "full", 0, "A"), Run(smoke, "warmup", "full", 0)
    work = Work(steps=1, epoch=10, trained=10, embedded=20, scored=30, clustered=0)
    assert costs.run_seconds(tuned, work, measured) == 10 * 5 + 20 * 1 + 30 * 7
    # two restarts over features of 2 x 128 numbers
    clustered = Work(steps=1, epoch=10, trained=10, embedded=20, scored=0, clustered=10)
    assert costs.run_seconds(first, clustered, measured) == pytest.approx(
        10 * 3 + 20 * 2 + 10 * 2 * 256 * 0.001
    )


def test_slow_loading_bounds_the_seconds_of_a_run() -> None:
    plan = load_plan("vggsound")
    speeds = {
        Kind("diccae", False, "AV"): Speed(Timing(0.01, 8, 8, 3), Timing(0.001, 8, 8, 3), None)
    }
    measured = Calibration("x", True, 1.0, speeds, 0.0, Timing(0.4, 8, 8, 3), [])
    work = Work(steps=1, epoch=10, trained=10, embedded=10, scored=0, clustered=0)
    # eight workers: 0.05 seconds a clip
    assert costs.run_seconds(Run(plan, "pretrain", "full", 0), work, measured) == pytest.approx(
        20 * 0.05
    )


def test_disk_of_stored_and_of_live_clips(smoke: Plan) -> None:
    tuned, kind = Run(smoke, "finetune", "full", 0, "A"), Kind("diccae", True, "A")
    work = {tuned: Work(steps=1, epoch=10, trained=10, embedded=20, scored=30, clustered=0)}
    need = costs.disk(smoke, 100, work, {kind: 1000}, devices=2)
    assert need.cache == need.cache_stored == 100 * (16 * 36 * 36 * 3 + 2 * 64 * 64)
    assert (need.weights, need.working, need.tables) == (
        4000,
        7 * 4000,
        30 * 2 * costs.PREDICTION_BYTES,
    )
    both, own = Run(smoke, "finetune", "full", 0, "AV"), Kind("diccae", True, "AV")
    more = costs.disk(smoke, 100, {both: work[tuned]}, {own: 1000}, devices=2)
    assert more.tables == need.tables + 30 * costs.WITHHELD_BYTES
    assert need.clips == 100 * costs.CLIP_BYTES
    assert need.total == need.clips + need.cache + 4000 + 7 * 4000 + need.tables
    # a cache has room for clips whose file is missing
    listed = costs.disk(smoke, 100, work, {kind: 1000}, devices=2, listed=150)
    assert listed.total - need.total == need.cache // 2
    live = costs.disk(load_plan("vggsound"), 199_467, work, {kind: 1000}, devices=1)
    assert live.cache == 0
    # as docs/data.md says for VGGSound alone
    assert live.cache_stored == pytest.approx(352e9, rel=0.01)
    assert live.cache_jpeg == pytest.approx(94e9, rel=0.01)
    packed = smoke.model_copy(update={"overrides": {**smoke.overrides, "cache.format": "jpeg"}})
    less = costs.disk(packed, 100, work, {kind: 1000}, devices=2)
    assert less.cache == less.cache_stored == less.cache_jpeg == need.cache_jpeg
    assert less.cache_jpeg == 100 * (16 * jpeg_bytes(36) + 2 * 64 * 64)
