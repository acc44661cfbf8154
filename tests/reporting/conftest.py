"""A complete results folder of synthetic runs with known accuracies, in the layout that training
writes."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from numpy.typing import NDArray

from diccae.artifacts import artifact_of, artifacts_of
from diccae.datasets.checksums import checksums
from diccae.datasets.clips import write_index, write_meta
from diccae.digests import file_digest
from diccae.evaluation.withheld import FILE, KINDS
from diccae.plans import Plan, load_plan
from diccae.settings import settings_of
from tests.conftest import made_once

CLASSES, PER_CLASS = 12, 20
N = CLASSES * PER_CLASS
# accuracy of each variant, so that the sign of each drop is known
SKILL = {
    "full": 0.80,
    "no_confusion_loss": 0.70,
    "no_dynamic_weighting": 0.79,
    "flat_mean": 0.72,
    "no_infonce": 0.55,
    "no_refinement": 0.85,
    "no_kmeans": 0.75,
    "no_kmeans_audioset": 0.6,
    "from_scratch": 0.4,
}


def make_plan(folder: Path) -> Plan:
    """The plan of the first benchmark under another name, with fewer variants, smaller sweeps and
    other systems, of which MBT is on tokens."""
    content = yaml.safe_load(
        (Path(__file__).parents[2] / "configs" / "plans" / "embedded-first.yaml").read_text()
    )
    content |= {"name": "fake", "data_root": "data", "seeds": [0, 1, 2], "overrides": {}}
    content["learning_rates"] |= {"values": [0.002], "seeds": [0]}
    content["sensitivity"]["variants"] = ["full", "rank", "no_dynamic_weighting", "flat_mean"]
    content["figure3"]["weights"] = [0, 1, 16]
    content["mechanism"] = {"variant": "full", "flat": "flat_mean", "modality": "AV"}
    content["table1"]["variants"] = ["full", "from_scratch", "scratch_tokens", "gblend", "mbt"]
    (folder / "fake.yaml").write_text(yaml.safe_dump(content))
    return load_plan(folder / "fake.yaml")


def write_run(plan: Plan, variant: str, modality: str, seed: int, skill: float) -> None:
    """Write the files of one fine-tuning run with accuracy `skill` (plus `seed` clips)."""
    folder = plan.run_folder(variant, seed, modality=modality)
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, len(modality), *variant.encode()])
    tables, stated = [], {}
    for split in ("test", "validation"):
        labels = np.repeat(np.arange(CLASSES), PER_CLASS)
        order = rng.permutation(len(labels))
        right = np.zeros(len(labels), bool)
        # exactly the wanted share and `seed` clips more, so that every accuracy is known
        right[order[: round(skill * len(labels)) + seed]] = True
        ids = [f"{split}-{index:04d}" for index in range(len(labels))]
        for view in ("single", "multi"):
            tables.append(
                pd.DataFrame(
                    {
                        "id": ids,
                        "group": ids,
                        "label": labels,
                        "split": split,
                        "view": view,
                        "top1": np.where(right, labels, (labels + 1) % CLASSES),
                        "in_update": (np.arange(len(labels)) % 5 == 0)
                        & (variant == "test_portion")
                        & (split == "test"),
                    }
                )
            )
        value = 100 * float(right.mean())
        stated[split] = {
            "n": len(labels),
            "top1_single": value,
            "top1_multi": value,
            "top5_multi": 100.0,
        }
    pd.concat(tables).to_parquet(folder / "predictions.parquet", index=False)
    if modality == "AV":
        write_withheld(folder, [table for table in tables if table["view"].iloc[0] == "multi"])
    (folder / "metrics.json").write_text(json.dumps({"accuracy": stated}))
    degree = np.abs(rng.normal(1.5 - skill, 0.2, (CLASSES, CLASSES)))
    np.savez(
        folder / "confusion.npz",
        test_degree=(degree + degree.T) / 2,
        confusion_matrix=np.eye(CLASSES, dtype=int) * PER_CLASS,
        **write_weights(folder, seed),
    )
    write_record(folder, plan, variant, modality, seed)


def set_right(plan: Plan, variant: str, modality: str, split: str, view: str, clips: int) -> None:
    """Edit the runs of a variant, so that each seed gets so many clips of a split right in a
    view."""
    for seed in plan.seeds:
        folder = plan.run_folder(variant, seed, modality=modality)
        table = pd.read_parquet(folder / "predictions.parquet")
        chosen = (table["split"] == split) & (table["view"] == view)
        labels = table.loc[chosen, "label"].to_numpy()
        right = np.arange(len(labels)) < clips
        table.loc[chosen, "top1"] = np.where(right, labels, (labels + 1) % CLASSES)
        table.to_parquet(folder / "predictions.parquet", index=False)
        stated = json.loads((folder / "metrics.json").read_text())
        stated["accuracy"][split][f"top1_{view}"] = 100 * float(right.mean())
        (folder / "metrics.json").write_text(json.dumps(stated))


def write_weights(folder: Path, seed: int) -> dict[str, NDArray[Any]]:
    """Write the learning curve of one fine-tuning run of two epochs; the arrays of pairs of its
    confusion.npz."""
    first, second = np.random.default_rng(seed).random((2, CLASSES, CLASSES), np.float32)
    weights, degree = first + first.T, second + second.T
    mean = float(weights[~np.eye(CLASSES, dtype=bool)].mean())
    table = pd.DataFrame({"epoch": [1, 2], "loss": [2.0, 1.0], "weight_mean": [1, 2 * mean - 1]})
    for name in ("weight_sd", "weight_p05", "weight_p50", "weight_p95"):
        table[name] = mean
    for name in ("cls", "confusion"):
        table[f"share_{name}"] = table[f"grad_share_{name}"] = 0.5
    table.to_csv(folder / "history.csv", index=False, float_format="%.6f")
    return {"mean_weight": weights, "update_degree": degree.astype(float)}


def write_record(
    folder: Path, plan: Plan, variant: str, modality: str, seed: int, **more: Any
) -> None:
    """Write the record of one fine-tuning run; `more` replaces and adds keys."""
    settings = settings_of(plan, "finetune", variant).as_record()
    (folder / "record.json").write_text(
        json.dumps(
            {
                "plan": plan.name,
                "system": settings["system"],
                "stage": "finetune",
                "variant": variant,
                "modality": modality,
                "seed": seed,
                "key": "k",
                "config_hash": "c",
                "data_hash": "d",
                "source_hash": "s",
                "lock_hash": "l",
                "commit": "0123456789abcdef",
                "dirty": False,
                "versions": {"torch": "2", "mmaction2": "1", "faiss-gpu": "1"},
                "hardware": {"cpu": "test cpu", "cores": 2, "gpu": None},
                "wall_seconds": 12.0,
                "cpu_seconds": 9.0,
                "peak_rss_mb": 900.0,
                "started": "2026-01-01T00:00:00+00:00",
                "settings": settings,
            }
            | more
        )
    )


def write_withheld(folder: Path, tables: list[pd.DataFrame]) -> None:
    """Write withheld.parquet: of the clips that are right with both modalities, each filling gets
    the first 1/2, 1/3, ... right."""
    whole = pd.concat(tables)[["id", "label", "split", "top1"]]
    right = whole["top1"] == whole["label"]
    rank = right.groupby(whole["split"].to_numpy()).cumsum()
    total = right.groupby(whole["split"].to_numpy()).transform("sum")
    rows = []
    for number, (withheld, filling) in enumerate(KINDS, start=2):
        kept = right & (rank * number <= total)
        top1 = np.where(kept, whole["label"], (whole["label"] + 1) % CLASSES)
        rows.append(whole.assign(withheld=withheld, filling=filling, top1=top1))
    pd.concat(rows).to_parquet(folder / FILE, index=False)


@pytest.fixture(scope="session")
def synthetic_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every run of a plan, written once."""
    return made_once(tmp_path_factory, "synthetic_results", _write_results)


@pytest.fixture
def fake(synthetic_results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A plan with all of its runs; the working directory is a copy of `synthetic_results`."""
    shutil.copytree(synthetic_results, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return load_plan(tmp_path / "fake.yaml")


def _write_results(folder: Path) -> None:
    with contextlib.chdir(folder):
        _write_all(make_plan(folder))


def _write_all(plan: Plan) -> None:
    for variant, modalities in plan.variants().items():
        name = variant.split("@")[0]
        for modality in modalities:
            for seed in plan.seeds:
                write_run(
                    plan,
                    variant,
                    modality,
                    seed,
                    SKILL.get(name, 0.72) - {"A": 0.2, "V": 0.25, "AV": 0.0}[modality],
                )
    Path("data").mkdir()
    names = [f"class {index}" for index in range(CLASSES)]
    overlap = np.random.default_rng(0).random((CLASSES, CLASSES)).tolist()
    Path("data/truth.json").write_text(
        json.dumps(
            {
                "classes": names,
                "confusability": {m: overlap for m in ("A", "V", "AV")},
                "confusable_pairs": {"A": [[0, 1]], "V": [[1, 2]], "AV": []},
                "corruption": 0.03,
                "bayes_ceiling": {"A": 64.0, "V": 64.0, "AV": 94.0},
            }
        )
    )
    _write_cache(plan)


def _write_cache(plan: Plan) -> None:
    """A manifest and a cache of one clip, which is not there."""
    plan.cache_dir.mkdir()
    row = {"id": "a", "split": "test", "source": "b", "label": 0, "label_name": "class 0"}
    manifest = pd.DataFrame([{**row, "path": "a.mp4"}])
    manifest.to_parquet(plan.manifest)
    frames, fbank = np.zeros((1, 2, 4, 4, 3), np.uint8), np.zeros((1, 3, 2), np.float16)
    digests = {}
    for name, array in (("frames", frames), ("fbank", fbank)):
        np.save(plan.cache_dir / f"{name}.npy", array)
        digests[name] = file_digest(plan.cache_dir / f"{name}.npy")
    index = pd.concat([manifest, checksums(frames, fbank)], axis=1).assign(status="ok")
    write_meta(
        plan.cache_dir,
        {
            "settings": {"modality": "AV"},
            "clips": 480,
            "counts": {"ok": 480},
            "manifest_sha256": file_digest(plan.manifest),
            "sha256": {**digests, "index": write_index(plan.cache_dir, index)},
        },
    )


def expected(variant: str, modality: str, seed: int) -> float:
    skill = SKILL.get(variant, 0.72) - {"A": 0.2, "V": 0.25, "AV": 0.0}[modality]
    return 100 * (round(skill * N) + seed) / N


def make(plan: Plan, name: str, root: Path) -> pd.DataFrame:
    """An artifact as it is written and read again."""
    path = root / f"{name}.csv"
    artifact_of(plan, name).make(plan, path)
    return pd.read_csv(path)


def write_all(plan: Plan, root: Path) -> None:
    for name in artifacts_of(plan):
        make(plan, name, root)
