"""Tables, verdicts and the report of a plan whose clips are tested in folds: made-up runs of 3
classes with 6 recordings each, in 4 rotations of 2 folds."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from diccae.artifacts import artifact_of
from diccae.errors import UserError
from diccae.functional.power import visible_by_error
from diccae.functional.support import two_way_support
from diccae.functional.two_way import two_way_interval, two_way_variance
from diccae.functional.verdicts import TOO_FEW
from diccae.planning.seeds import claims_of_table2, power_of_primary
from diccae.plans import Plan, load_plan
from diccae.reporting import claims, collect, csv_file, html
from tests.conftest import made_once
from tests.reporting.conftest import SKILL, write_record, write_withheld

CLASSES, GROUPS, FOLDS = 3, 6, 2
# clips of each recording of a class
SIZES = (1, 2, 3, 1, 2, 4)
CLIPS = pd.DataFrame(
    [
        {"id": f"{label}-{group}-{clip}", "group": f"{label}-{group}", "label": label}
        for label in range(CLASSES)
        for group, size in enumerate(SIZES)
        for clip in range(size)
    ]
).sort_values("id", ignore_index=True)
ABLATIONS = [name for name in SKILL if name not in ("full", "from_scratch", "no_kmeans")]


def make_plan(folder: Path, kind: str = "grouped") -> Plan:
    source = {"reader": "plain_csv", "lists": ["clips.csv"], "media": "clips"}
    content = {
        "name": "rotated",
        "scale": "embedded",
        "dataset": "kitchen",
        "data_root": "data",
        "lists": {
            "sources": [source],
            "labelled": "plain_csv",
            "update_per_class": 2,
            "validation_per_class": 1,
        },
        "seeds": [0, 1, 2, 3],
        "table1": {"variants": ["full"], "modalities": ["A", "V", "AV"]},
        "table2": {"variants": ["full", *ABLATIONS], "modalities": ["AV"]},
        "figure2": {"with": "full", "without": "no_confusion_loss", "modality": "AV"},
        "figure3": {
            "variant": "fixed_weight",
            "dynamic": "no_kmeans",
            "modality": "A",
            "weights": [0, 1],
        },
        "leakage": {"holdout": "full", "portion": "test_portion", "modality": "AV"},
        "parameters": {"w": "method.static_weight"},
        "overrides": {"data.folds": {"kind": kind, "count": FOLDS}, "data.num_classes": CLASSES},
    }
    (folder / "rotated.yaml").write_text(yaml.safe_dump(content))
    return load_plan(folder / "rotated.yaml")


def write_rotation(plan: Plan, variant: str, modality: str, seed: int) -> None:
    """The runs of all folds of a rotation: recordings that are easy or hard for all variants."""
    rng = np.random.default_rng([seed, len(modality), *variant.encode()])
    easy = np.random.default_rng(0).normal(size=CLASSES * GROUPS)
    groups = CLIPS["group"].unique()
    fold_of = dict(zip(groups, np.random.default_rng(seed).permutation(len(groups)), strict=True))
    skill = SKILL.get(variant.split("@")[0], 0.7) - {"A": 0.1, "V": 0.2, "AV": 0.0}[modality]
    chance = skill + 0.15 * easy[CLIPS["group"].map({g: i for i, g in enumerate(groups)})]
    right = rng.random(len(CLIPS)) < chance
    top1 = np.where(right, CLIPS["label"], (CLIPS["label"] + 1) % CLASSES)
    for fold in plan.folds:
        assert fold is not None
        inside = (CLIPS["group"].map(fold_of) % FOLDS == fold - 1).to_numpy()
        folder = plan.run_folder(variant, seed, modality=modality, fold=fold)
        folder.mkdir(parents=True)
        # more clips of validation in one fold than in the other
        parts = {"test": inside, "validation": ~inside & (np.arange(len(CLIPS)) % (fold + 2) == 0)}
        tables, stated = [], {}
        for split, chosen in parts.items():
            table = CLIPS[chosen].assign(split=split, top1=top1[chosen])
            in_update = (split == "test") & (np.arange(len(table)) % 3 == seed % 3)
            table["in_update"] = in_update & (variant == "test_portion")
            tables += [table.assign(view=view) for view in ("single", "multi")]
            value = 100 * float(right[chosen].mean())
            stated[split] = {"n": len(table), "top1_single": value, "top1_multi": value}
        pd.concat(tables).to_parquet(folder / "predictions.parquet", index=False)
        if modality == "AV":
            write_withheld(folder, [t for t in tables if t["view"].iloc[0] == "multi"])
        (folder / "metrics.json").write_text(json.dumps({"accuracy": stated}))
        np.savez(
            folder / "confusion.npz",
            test_degree=np.full((CLASSES, CLASSES), fold + rng.random() / 10),
            confusion_matrix=np.eye(CLASSES, dtype=int) * fold,
        )
        write_record(folder, plan, variant, modality, seed)


def _write_all(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        plan = make_plan(folder)
        for scored in plan.scored(plan.needs()):
            write_rotation(plan, scored.variant, scored.modality, scored.seed)
        plan.cache_dir.mkdir(parents=True)
        meta = {"clips": len(CLIPS), "counts": {"ok": len(CLIPS)}, "manifest_sha256": "0" * 64}
        (plan.cache_dir / "meta.json").write_text(json.dumps(meta))
        names = "class " + CLIPS["label"].astype(str)
        listed = CLIPS.assign(split="train", source="plain_csv", label_name=names, path="")
        listed.to_parquet(plan.manifest)


@pytest.fixture
def plan(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """The plan; its runs, which several tests read, are in the working directory."""
    folder = made_once(tmp_path_factory, "rotated_results", _write_all)
    monkeypatch.chdir(folder)
    return load_plan(folder / "rotated.yaml")


def pooled(plan: Plan, variant: str, modality: str) -> np.ndarray:
    """(R, N) 100 or 0 of each clip, sorted by id, read from the files of the folds."""
    rotations = []
    for seed in plan.seeds:
        folder = plan.results_root() / "runs" / variant / f"seed{seed}"
        folds = [
            pd.read_parquet(path)
            for path in folder.glob(f"fold*/finetune/{modality}/predictions.parquet")
        ]
        assert len(folds) == FOLDS
        table = pd.concat(folds).query("split == 'test' and view == 'multi'").set_index("id")
        table = table.loc[sorted(table.index)]
        rotations.append(100.0 * (table["top1"] == table["label"]).to_numpy())
    return np.stack(rotations)


def test_rows_have_the_interval_over_groups_and_rotations(plan: Plan, tmp_path: Path) -> None:
    artifact_of(plan, "table2").make(plan, tmp_path / "table2.csv")
    table = pd.read_csv(tmp_path / "table2.csv").set_index("variant")
    row = table.loc["no_infonce"]
    full, own = (pooled(plan, name, "AV") for name in ("full", "no_infonce"))
    grouping = CLIPS["label"], CLIPS["group"]
    counts = [row["seeds"], row["n_test"], row["groups"]]
    assert counts == [4, len(CLIPS), CLASSES * GROUPS]
    assert row["interval"] == "two-way, groups and rotations"
    top1 = two_way_interval(own, *grouping, limits=(0, 100))
    drop = two_way_interval(full - own, *grouping)
    assert row[["top1", "low", "high"]].tolist() == pytest.approx(top1, abs=1e-3)
    assert row[["drop", "drop_low", "drop_high"]].tolist() == pytest.approx(drop, abs=1e-3)
    together = two_way_interval(full - own, *grouping, 1 - 0.05 / 6)
    ends = row[["simultaneous_low", "simultaneous_high"]].tolist()
    assert ends == pytest.approx(together[1:], abs=1e-3)
    assert not [column for column in table if "clip" in column]
    variance = two_way_variance(full - own, *grouping)
    visible = visible_by_error(variance.total**0.5, variance.freedom)
    assert row["smallest_visible"] == pytest.approx(visible, abs=1e-3)
    # its interval excludes zero in 80 % of experiments, so it is wider than half the interval
    assert visible > drop.high - drop.estimate
    assert np.isnan(table.loc["full", "smallest_visible"])


def test_every_table_names_its_interval(plan: Plan, tmp_path: Path) -> None:
    for name in ("table1", "figure3", "leakage", "ablations/no_infonce"):
        csv_file.save(artifact_of(plan, name).table(plan), tmp_path / f"{name}.csv")
        table = pd.read_csv(tmp_path / f"{name}.csv")
        measured = (
            table[table.get("source", "measured").str.startswith("measured")]
            if (name == "table1")
            else table
        )
        assert set(measured["interval"]) == {"two-way, groups and rotations"}, name
        assert set(measured["groups"]) == {CLASSES * GROUPS}, name
        assert set(measured["seeds"]) == {4}, name
        assert (measured["n_test"] > 0).all(), name
    table1 = pd.read_csv(tmp_path / "table1.csv").iloc[-1]
    assert table1["source"] == "measured, plan rotated, rotations 4"
    wanted = two_way_interval(
        pooled(plan, "full", "A"), CLIPS["label"], CLIPS["group"], limits=(0, 100)
    )
    assert table1[["A", "A_low", "A_high"]].tolist() == pytest.approx(wanted, abs=1e-3)


def test_leakage_compares_the_clips_that_a_rotation_scored(plan: Plan, tmp_path: Path) -> None:
    artifact_of(plan, "leakage").make(plan, tmp_path / "leakage.csv")
    row = pd.read_csv(tmp_path / "leakage.csv").set_index("arm").loc["test_portion"]
    gain = pooled(plan, "test_portion", "AV") - pooled(plan, "full", "AV")
    for rotation, seed in enumerate(plan.seeds):
        table = collect.predictions(plan, "test_portion", seed, "AV")
        gain[rotation, table["in_update"]] = np.nan
    wanted = two_way_interval(gain, CLIPS["label"], CLIPS["group"])
    found = row[["gain", "gain_low", "gain_high"]].tolist()
    assert found == pytest.approx(wanted, abs=1e-3)


def test_degrees_of_all_folds_are_pooled(plan: Plan, tmp_path: Path) -> None:
    for name in ("figure2", "feature_quality"):
        csv_file.save(artifact_of(plan, name).table(plan), tmp_path / f"{name}.csv")
    table = pd.read_csv(tmp_path / "figure2.csv")
    assert set(table["pairs"]) == {FOLDS * CLASSES * (CLASSES - 1) // 2}
    assert table["mean"].between(1.5, 1.6).all()
    quality = pd.read_csv(tmp_path / "feature_quality.csv")
    assert quality["degree_mean"].between(1.5, 1.6).all()


def test_verdicts_follow_the_two_way_interval(plan: Plan) -> None:
    table = claims.evaluate(plan).set_index("id")
    full, own = (pooled(plan, name, "AV") for name in ("full", "no_infonce"))
    # six primary rows
    mean, low, high = two_way_interval(full - own, CLIPS["label"], CLIPS["group"], 1 - 0.05 / 6)
    row = table.loc["table2/no_infonce/AV"]
    assert row["evidence"] == f"{mean:+.2f} [{low:+.2f}, {high:+.2f}] (99.2 %)"
    assert row["verdict"] == ("same direction" if low > 0 else "too few seeds")
    assert table.loc["fig2/mean", "verdict"] == claims.NOT_TESTABLE
    assert "no interval over groups" in table.loc["fig2/mean", "evidence"]
    others = [pooled(plan, name, "AV") for name in ABLATIONS if name != "no_infonce"]
    steps = np.stack([other - own for other in others])
    support = two_way_support(steps, CLIPS["label"], CLIPS["group"])
    evidence = table.loc["text/infonce_largest/AV", "evidence"]
    assert evidence.endswith(f"; holds in {100 * support:.0f} % of the resamplings")
    gaps = [two_way_interval(step, CLIPS["label"], CLIPS["group"], 0.9) for step in steps]
    mean, low, high = min(gaps, key=lambda gap: gap.low)
    assert f": {mean:+.2f} [{low:+.2f}, {high:+.2f}] (90 %); " in evidence
    assert table.loc["text/avgain", "evidence"].startswith("A-V over ")


def test_three_rotations_have_no_interval(plan: Plan, tmp_path: Path) -> None:
    fewer = plan.first_seeds(3)
    for name in ("ablations/no_infonce", "leakage", "figure3"):
        artifact_of(fewer, name).make(fewer, tmp_path / f"{name}.csv")
        table = pd.read_csv(tmp_path / f"{name}.csv")
        ends = [c for c in table if c.endswith(("low", "high"))]
        assert table[ends].isna().all(axis=None), name
    verdict, evidence = claims.RULES["drop"](fewer, {"variant": "no_infonce", "modality": "AV"})
    assert verdict == TOO_FEW
    assert "3 rotations, 4 are needed" in evidence


def test_the_report_speaks_of_rotations(plan: Plan, tmp_path: Path) -> None:
    for name in ("table1", "table2", "figure2"):
        csv_file.save(artifact_of(plan, name).table(plan), tmp_path / f"{name}.csv")
    page = html.render(plan, tmp_path, None)
    for words in (
        "4 rotations",
        "2 grouped folds",
        "95 % two-way interval over groups and rotations (18 groups, 4 rotations)",
        "rotation 0, all folds",
        "all folds together",
        "What can be seen here:",
    ):
        assert words in page, words
    visible = pd.read_csv(tmp_path / "table2.csv")["smallest_visible"]
    assert f"a true drop of {visible.min():.1f} to {visible.max():.1f} points" in page
    assert page.index("What can be seen here:") < page.index("Table 2. Drop")
    assert "over seeds</th>" not in page
    assert "over clips" not in page
    text = re.sub(r"<style>.*?</style>|base64,[^\"]*", "", page, flags=re.DOTALL)
    assert "nan" not in text.lower().split()


def test_seeds_of_official_folds_are_no_rotations(plan: Plan, tmp_path: Path) -> None:
    official = make_plan(tmp_path, "official")
    table = artifact_of(official, "ablations/no_infonce").table(official)
    assert set(table["interval"]) == {"two-way, groups and seeds"}


def test_no_number_of_rotations_is_promised(plan: Plan) -> None:
    assert claims_of_table2(plan) == []
    assert power_of_primary(plan) == []


def test_a_missing_fold_names_its_command(plan: Plan, tmp_path: Path) -> None:
    more = plan.model_copy(update={"seeds": [0, 1, 2, 9]})
    with pytest.raises(UserError, match="--seed 9 --fold 1"):
        artifact_of(more, "table2").table(more)


def test_runs_that_scored_other_clips_are_not_paired(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    small = make_plan(tmp_path)
    for variant in ("full", "no_infonce"):
        for seed in small.seeds:
            write_rotation(small, variant, "AV", seed)
    folder = small.run_folder("no_infonce", 2, modality="AV", fold=1)
    table = pd.read_parquet(folder / "predictions.parquet")
    # the accuracy stays, and so does metrics.json
    table["id"] = table["id"].replace(table.loc[table["split"] == "test", "id"].iloc[0], "0-9-0")
    table.to_parquet(folder / "predictions.parquet", index=False)
    with pytest.raises(UserError, match="2 clips were scored by some of the runs alone"):
        artifact_of(small, "ablations/no_infonce").table(small)
