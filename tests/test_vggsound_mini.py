"""The workflow of the paper's scale on rendered clips, with the files and lists of VGGSound,
AudioSet, EPIC-KITCHENS-100 and UCF101, from lists to a verified report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.mini_plan import small_overrides
from tests.vggsound_files import CLASSES, audioset, epic_kitchens, ucf101, vggsound
from tests.workflow_copy import ROOT, copy_workflow, snakemake

NAME = "vggsound-mini"


def write_plan(path: Path) -> None:
    """Write the plan `vggsound` with a small number of clips, tiny encoders and short schedules."""
    plan = yaml.safe_load((ROOT / "configs" / "plans" / "vggsound.yaml").read_text())
    kept = {key: plan[key] for key in ("scale", "dataset", "lists", "parameters")}
    kept["lists"] |= {"update_per_class": 2, "validation_per_class": 1}
    next(source for source in kept["lists"]["sources"] if source["reader"] == "audioset")[
        "classes"
    ] = "media/lists/class_labels_indices.csv"
    content = kept | {
        "name": NAME,
        "data_root": f"results/data/{NAME}",
        "seeds": [0],
        "table1": {"variants": ["full"], "modalities": ["A", "V", "AV"]},
        "table2": {"variants": ["full", "no_kmeans_audioset"], "modalities": ["A", "AV"]},
        "overrides": small_overrides(),
    }
    path.write_text(yaml.safe_dump(content))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the workflow reads, the plan and the datasets."""
    folder = copy_workflow(tmp_path_factory.mktemp("mini"))
    # composing the large plans would take longer than this plan runs
    for plan in (folder / "configs" / "plans").glob("*.yaml"):
        if plan.stem not in ("embedded", "smoke"):
            plan.unlink()
    write_plan(folder / "configs" / "plans" / f"{NAME}.yaml")
    media = folder / "media"
    lists = media / "lists"
    lists.mkdir(parents=True)
    test = vggsound(lists, media / "vggsound")
    audioset(lists, media / "audioset", test)
    epic_kitchens(lists, media / "epic-kitchens-100")
    ucf101(lists, media / "ucf101")
    return folder


@pytest.fixture(scope="module")
def results(checkout: Path) -> Path:
    """The results folder after one run of the whole workflow."""
    done = snakemake(checkout, f"results/{NAME}/report.html")
    logs = "\n".join(
        f"{path}: {path.read_text()[-1500:]}"
        for path in (checkout / "results" / "logs").rglob("*.log")
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:] + logs
    return checkout / "results"


def test_every_list_is_counted(results: Path) -> None:
    log = (results / "logs" / "results" / "data" / NAME / "manifest.log").read_text()
    for line in (
        "vggsound: 28 listed, 0 duplicates, 27 found, 0 ambiguous, 0 vggsound test removed",
        "audioset: 14 listed, 0 duplicates, 14 found, 0 ambiguous, 2 vggsound test removed",
        "epic_kitchens: 8 listed, 0 duplicates, 8 found, 0 ambiguous, 0 vggsound test removed",
        "ucf101: 6 listed, 0 duplicates, 6 found, 0 ambiguous, 0 vggsound test removed",
        "  unlabelled: 26 clips",
        "  test: 6 clips",
        "54 clips, 53 on the disk",
    ):
        assert line in log


def test_pre_training_uses_no_recording_of_the_test_split(results: Path) -> None:
    table = pd.read_parquet(results / "data" / NAME / "manifest.parquet")
    counts = table.groupby(["source", "split"]).size().to_dict()
    assert counts == {
        ("audioset", "unlabelled"): 12,
        ("epic_kitchens", "unlabelled"): 8,
        ("ucf101", "unlabelled"): 6,
        # the clip without a file is counted in the split of its list
        ("vggsound", "train"): 13,
        ("vggsound", "update"): 6,
        ("vggsound", "validation"): 3,
        ("vggsound", "test"): 6,
    }
    test = set(table.loc[table["split"] == "test", "video"])
    assert len(test) == 6
    assert not test & set(table.loc[table["split"] != "test", "video"])
    folder = results / NAME / "runs" / "full" / "seed0" / "pretrain"
    seen = np.load(folder / "assignments.npz")["ids"]
    usable = pd.read_parquet(results / "data" / NAME / "cache" / "index.parquet")
    pool = usable["split"].isin(["unlabelled", "train"]) & (usable["status"] == "ok")
    assert sorted(seen) == sorted(usable.loc[pool, "id"])


def test_labels_follow_the_written_class_order(results: Path) -> None:
    order = pd.read_csv(results / "data" / NAME / "classes.csv")
    assert order["label_name"].tolist() == CLASSES
    table = pd.read_parquet(results / "data" / NAME / "manifest.parquet")
    labelled = table[table["source"] == "vggsound"]
    assert (labelled["label_name"] == order["label_name"].to_numpy()[labelled["label"]]).all()
    assert (table.loc[table["source"] != "vggsound", "label"] == -1).all()
    assert set(table.loc[table["source"] == "audioset", "label_name"]) == {"Speech; Gush"}


def test_clips_without_sound_or_file_are_counted_and_nothing_is_stored(results: Path) -> None:
    folder = results / "data" / NAME / "cache"
    meta = json.loads((folder / "meta.json").read_text())
    assert meta["mode"] == "live"
    assert meta["counts"] == {"missing": 1, "no_audio": 3, "ok": 50}
    assert not list(folder.glob("*.npy"))


def test_tables_name_the_dataset_and_the_results_are_verified(results: Path) -> None:
    root = results / NAME
    first = pd.read_csv(root / "table1.csv")
    measured = first[first["source"].str.startswith("measured")]
    assert measured["dataset"].tolist() == ["VGGSound"]
    assert measured["source"].tolist() == [f"measured, plan {NAME}, seeds 1"]
    assert measured["n_test"].tolist() == [6]
    assert measured[["A", "V", "AV"]].notna().all(axis=None)
    second = pd.read_csv(root / "table2.csv")
    assert [*zip(second["variant"], second["modality"], strict=True)] == [
        (variant, modality)
        for modality in ("A", "AV")
        for variant in ("full", "no_kmeans_audioset")
    ]
    assert second["top1"].between(0, 100).all()
    seal = json.loads((root / "verify.json").read_text())
    assert seal["sealed"] is True
    assert seal["runs"] == 3 + 2 + 3
    page = (root / "report.html").read_text()
    assert NAME in page
    assert "VGGSound" in page
    for modality in ("A", "V", "AV"):
        metrics = json.loads(
            (root / "runs" / "full" / "seed0" / "finetune" / modality / "metrics.json").read_text()
        )
        assert metrics["accuracy"]["test"]["n"] == 6
        assert metrics["accuracy"]["validation"]["n"] == 3
