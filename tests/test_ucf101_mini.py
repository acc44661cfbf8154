"""The plan `ucf101` on rendered clips with the files and lists of UCF101, from lists to a run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml

from diccae import registry  # noqa: F401
from diccae.cli import data, lists
from diccae.clips_of_plan import count_each
from diccae.data_check import check_data
from diccae.datasets import ledger
from diccae.engine.runs import execute
from diccae.errors import UserError
from diccae.planning.estimate import estimate
from diccae.plans import CONFIG_ROOT, Plan, load_plan
from diccae.run_graph import Run, with_parents
from tests.ucf101_files import CLASSES, CLIPS, SILENT, TEST_GROUPS, TRAIN_GROUPS, WITH_SOUND, ucf101

LISTS = Path("media/lists")
SMALL = {
    "cache.frame_size": 36,
    "cache.num_frames": 4,
    "cache.n_mels": 32,
    "cache.fbank_frames": 32,
    "data.num_classes": len(WITH_SOUND),
    "data.num_frames": 2,
    "data.frame_size": 32,
    "data.train_per_class": 2,
    "data.update_per_class": 2,
    "data.update_unlabelled": 6,
    "data.samples_per_class": 2,
    "audio_encoder.widths": [4, 8],
    "audio_encoder.channels_last": [True, True],
    "video_encoder.in_channels": 6,
    "video_encoder.widths": [4, 8],
    "video_encoder.channels_last": [True, True],
    "embedding_dim": 8,
    "method.kmeans_k": 3,
    "method.kmeans_restarts": 1,
    "method.refine_every": 1,
    **{f"schedule.{stage}.epochs": 1 for stage in ("warmup", "pretrain", "finetune")},
    **{f"schedule.{stage}.batch_size": 4 for stage in ("warmup", "pretrain", "finetune")},
}


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plan]:
    """The plan `ucf101` on three classes with sound, in a working directory with its files."""
    folder, home = tmp_path_factory.mktemp("ucf101"), Path.cwd()
    os.chdir(folder)
    ucf101(LISTS, Path("media/ucf101"))
    content = yaml.safe_load((CONFIG_ROOT / "plans" / "ucf101.yaml").read_text())
    content["lists"] |= {"update_per_class": 2, "validation_per_class": 1}
    content |= {"name": "mini", "data_root": "data", "seeds": [0], "default_seeds": 1}
    # one of 42 clips has no sound
    content["overrides"] |= SMALL | {"cache.max_bad_share": 0.03}
    Path("mini.yaml").write_text(yaml.safe_dump(content))
    yield load_plan("mini.yaml")
    os.chdir(home)


def test_the_plan_can_be_priced_without_lists_and_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = load_plan("ucf101")
    (clips,) = count_each(plan)
    check_data(plan, [clips])
    counts = {split: number for (split, _), number in clips.counts.items()}
    # official split 1, of which 20 update and 5 validation clips a class are drawn
    assert counts == {"train": 4901 - 51 * 25, "update": 1020, "validation": 255, "test": 1944}


def test_lists_become_a_manifest_of_the_classes_with_sound(
    plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    data.manifest("mini.yaml")
    of_a_class = CLIPS * len(TRAIN_GROUPS + TEST_GROUPS)
    clips = len(WITH_SOUND) * of_a_class
    out = capsys.readouterr().out
    assert f"ucf101: {clips} listed, 0 duplicates, {clips} found" in out
    assert f"{(len(CLASSES) - len(WITH_SOUND)) * of_a_class} other classes" in out
    table = pd.read_parquet(plan.manifest)
    assert pd.read_csv("data/classes.csv")["label_name"].tolist() == WITH_SOUND
    named = table["label"].map(dict(enumerate(WITH_SOUND)))
    assert named.tolist() == table["label_name"].tolist()
    # whole groups: one a class for update, one for validation, the test groups of the list
    groups = table.groupby("group")["split"].agg(["nunique", "first", "size"])
    assert (groups["nunique"] == 1).all()
    assert (groups["size"] == CLIPS).all()
    wanted = {"train": 3, "update": 1, "validation": 1, "test": 2}
    assert groups["first"].value_counts().to_dict() == {
        split: len(WITH_SOUND) * count for split, count in wanted.items()
    }
    tested = set(table.loc[table["split"] == "test", "group"].str[-2:])
    assert tested == {f"{group:02d}" for group in TEST_GROUPS}


def test_clips_without_sound_are_counted_and_left_out(
    plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    data.manifest("mini.yaml")
    ledger.check(plan.manifest, Path("ledger.parquet"), jobs=1, progress=False)
    clips = pd.read_parquet("ledger.parquet").set_index("id")
    assert clips.index[clips["status"] == "no_audio"].tolist() == [SILENT]
    capsys.readouterr()
    data.cache("mini.yaml", jobs=1)
    out = capsys.readouterr().out
    assert f"1 of {len(clips)} clips cannot be used: 1 no_audio; first: " in out
    assert SILENT in out
    answer = estimate(plan, calibrated=False)
    assert f"{len(clips) - 1} usable of {len(clips)} clips" in answer["clips"]["origin"]
    assert answer["needs_gpu"] is None
    # more than cache.max_bad_share of such clips are refused
    strict = yaml.safe_load(Path("mini.yaml").read_text()) | {"data_root": "strict"}
    strict["overrides"]["cache.max_bad_share"] = 0.01
    Path("strict").mkdir()
    Path("strict.yaml").write_text(yaml.safe_dump(strict | {"name": "strict"}))
    data.manifest("strict.yaml")
    with pytest.raises(UserError, match=r"1 of \d+ clips cannot be used \(1 no_audio\); first: .*"):
        data.cache("strict.yaml", jobs=1)


def test_one_run_trains_on_the_few_labels_and_scores_the_test_list(plan: Plan) -> None:
    data.manifest("mini.yaml")
    data.cache("mini.yaml", jobs=1)
    run = Run(plan, "finetune", "full", 0, "AV")
    for each in with_parents([run]):
        execute(each)
    metrics = json.loads((run.folder / "metrics.json").read_text())
    # without the silent clip
    assert metrics["accuracy"]["test"]["n"] == len(WITH_SOUND) * CLIPS * len(TEST_GROUPS) - 1
    scored = pd.read_parquet(run.folder / "predictions.parquet")
    table = pd.read_parquet(plan.manifest)
    wanted = set(table.loc[table["split"].isin(["validation", "test"]), "id"]) - {SILENT}
    assert set(scored["id"]) == wanted


def test_what_is_missing_is_one_sentence(plan: Plan) -> None:
    train, test = (LISTS / f"{split}list01.txt" for split in ("train", "test"))

    def refused(words: str) -> None:
        with pytest.raises(UserError, match=words):
            data.manifest("mini.yaml")

    with pytest.raises(UserError, match="^--subset: ucf101 has sound; correct it or leave it out"):
        lists.lists("ucf101", [train], Path("media"), Path("own.parquet"), subset="esc10")
    kept = train.read_bytes(), test.read_bytes(), (LISTS / "classInd.txt").read_bytes()
    test.unlink()
    refused(f"1 of 2 list files are missing, {test} of ucf101 first; put them there")
    # a class that neither list has
    for path, content in zip((train, test), kept, strict=False):
        rows = content.splitlines(keepends=True)
        path.write_bytes(b"".join(row for row in rows if not row.startswith(b"Archery")))
    refused(
        f"^{train}, {test}: wanted clips of UCF101's classes with sound, but there is no clip of "
        "1 of them, Archery; download the lists again, or leave subset out"
    )
    # one that the class list lacks too
    (LISTS / "classInd.txt").write_text("1 ApplyEyeMakeup\n3 Basketball\n")
    refused("class indices must run from 1 without gaps")
    for path, content in zip((train, test, LISTS / "classInd.txt"), kept, strict=True):
        path.write_bytes(content)
    # one whose files are not there
    folder = Path("media/ucf101/UCF-101/Archery")
    folder.rename("elsewhere")
    refused("'Archery' has 0; lower .* or find the missing files")
    Path("elsewhere").rename(folder)
    (LISTS / "classInd.txt").unlink()
    refused(f"^{LISTS / 'classInd.txt'}: no such file; put UCF101's classInd.txt into the folder")
    (LISTS / "classInd.txt").write_bytes(kept[2])
