"""`diccae data manifest`, `data cache` and `doctor` on clips that do not suit the plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from diccae.cli import data
from diccae.datasets.clips import write_meta
from diccae.digests import file_digest
from diccae.doctor import plan_check
from diccae.errors import UserError
from diccae.plans import CONFIG_ROOT, Plan, load_plan

CLASSES = ("hail", "rain", "snow")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A plan of twelve clips of three classes, all for training, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    Path("clips").mkdir()
    paths = [f"{name}{number}.mp4" for name in CLASSES for number in range(4)]
    for path in paths:
        (Path("clips") / path).touch()
    write_list([f"{path},{path[:4]},train" for path in paths])
    content = yaml.safe_load((CONFIG_ROOT / "plans" / "smoke.yaml").read_text())
    source = {"reader": "plain_csv", "lists": ["mine.csv"], "media": "clips"}
    lists = {"sources": [source], "labelled": "plain_csv"}
    lists |= {"update_per_class": 2, "validation_per_class": 1}
    section = {"variants": ["from_scratch"], "modalities": ["A"]}
    overrides = {"data.num_classes": 3, "data.train_per_class": None, "data.samples_per_class": 1}
    content = {key: content[key] for key in ("scale", "parameters")} | {
        "name": "mine",
        "seeds": [0, 1],
        "dataset": "my clips",
        "data_root": "data",
        "lists": lists,
        "reference": "from_scratch",
        "table1": section,
        "table2": section,
        "overrides": overrides | {"schedule.finetune.batch_size": 3},
    }
    Path("mine.yaml").write_text(yaml.safe_dump(content))
    return load_plan("mine.yaml")


def write_list(rows: list[str]) -> None:
    Path("mine.csv").write_text("\n".join(["path,label_name,split", *rows]) + "\n")


def with_test_clips() -> None:
    rows = Path("mine.csv").read_text().splitlines()[1:]
    for name in CLASSES:
        (Path("clips") / f"{name}-test.mp4").touch()
        rows.append(f"{name}-test.mp4,{name},test")
    write_list(rows)


def test_a_list_without_test_clips_makes_no_manifest(own: Plan) -> None:
    message = "plan mine: finetune has no clip in split test, which it scores; move some"
    with pytest.raises(UserError, match=message):
        data.manifest("mine.yaml")
    assert not own.manifest.exists()
    check = plan_check.suits(own)
    assert check.status == "problem"
    assert check.message.startswith(message)
    with_test_clips()
    data.manifest("mine.yaml")
    assert own.manifest.is_file()
    check = plan_check.suits(own)
    assert check.message.startswith("1 runs a seed, and clips for each of them (data/manifest.parq")


def test_clips_that_cannot_be_decoded_count_for_nothing(
    own: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_test_clips()
    data.manifest("mine.yaml")
    built = []

    def build(manifest: Path, out_dir: Path, **_: Any) -> None:
        built.append(manifest)
        table = pd.read_parquet(manifest)
        broken = table["path"].str.contains("rain-test")
        status = broken.map({True: "unreadable", False: "ok"})
        out_dir.mkdir(exist_ok=True)
        index = table.assign(status=status, file_sha256=table["id"])
        index.to_parquet(out_dir / "index.parquet")
        settings = {"modality": "A"}
        write_meta(out_dir, {"settings": settings, "manifest_sha256": file_digest(manifest)})

    monkeypatch.setattr("diccae.datasets.clip_cache.build_cache", build)
    timing = Path("data/timing.json")
    for noted in ({}, {"cache": {"wall_seconds": 100.0, "cpu_seconds": 50.0}}):
        timing.write_text(json.dumps(noted))
        words = "'rain' has 0 clips in split test.*14 usable of 15 clips"
        with pytest.raises(UserError, match=words):
            data.cache("mine.yaml", jobs=1)
    # a command that finds its work done does not say that it took no time
    assert json.loads(timing.read_text()) == noted
    assert built == [own.manifest] * 2
    table = pd.read_parquet(own.manifest)
    table[table["split"] != "test"].to_parquet(own.manifest)
    # before anything is decoded
    with pytest.raises(UserError, match="no clip in split test"):
        data.cache("mine.yaml", jobs=1)
    assert built == [own.manifest] * 2


def test_clips_of_held_out_splits_of_other_sources_are_counted(
    own: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    with_test_clips()
    Path("classInd.txt").write_text("1 Archery\n")
    for name, groups in (("trainlist01.txt", "12"), ("testlist01.txt", "345")):
        rows = [f"Archery/v_Archery_g0{group}_c01.avi" for group in groups]
        Path(name).write_text("\n".join(rows) + "\n")
        for row in rows:
            (Path("clips") / Path(row).name).touch()
    content = yaml.safe_load(Path("mine.yaml").read_text())
    files = ["trainlist01.txt", "testlist01.txt"]
    content["lists"]["sources"].append({"reader": "ucf101", "lists": files, "media": "clips"})
    Path("mine.yaml").write_text(yaml.safe_dump(content))
    data.manifest("mine.yaml")
    printed = capsys.readouterr().out
    assert "ucf101: 5 listed" in printed
    assert "  in the manifest: 2 unlabelled, 3 of held-out splits left out\n" in printed
