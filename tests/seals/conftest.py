"""A whole results folder with real records and a real seal, of runs that nobody trained."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from diccae.artifacts import artifacts_of
from diccae.cli.main import app
from diccae.datasets.checksums import checksums
from diccae.datasets.clips import write_index, write_meta
from diccae.digests import file_digest
from diccae.engine.records import build_record, write_atomically
from diccae.engine.runs import origin_of
from diccae.hashes import file_hash, record_digest, run_key
from diccae.jobs import jobs
from diccae.plans import CONFIG_ROOT, Plan, load_plan
from diccae.reporting import figures, html, mechanism, pictures, systems
from diccae.reporting.clusters import cluster_quality
from diccae.reporting.shard_file import read_shard, write_shard
from diccae.run_graph import Run, scored_runs, with_parents
from diccae.seals.seal import seal_path, seal_text
from diccae.seals.shard_export import export_shard
from diccae.seals.verify import verify
from diccae.stopwatch import Stopwatch
from tests.conftest import made_once
from tests.reporting.conftest import CLASSES, PER_CLASS, SKILL, write_run

ROOT = Path("results/small")
# a run of the plan, below `runs`
RUN = "full/seed0/finetune/AV"
# a commit that does not exist
COMMIT = "0" * 40


@contextlib.contextmanager
def plain() -> Iterator[None]:
    """Pictures take most of the time and are tested elsewhere: here, each is what it would show, as
    text."""

    def draw(plan: Plan, table: pd.DataFrame, svg: Path) -> None:
        svg.write_text(f"<svg>\n{table.to_csv()}</svg>\n")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "draw_figure2", draw)
        patch.setattr(mechanism, "draw_mechanism", draw)
        patch.setattr(systems, "draw_systems", draw)
        patch.setattr(pictures, "matrix", lambda values, *_: f"data:,{values.tolist()}")
        patch.setattr(pictures, "purity", lambda plan: f"data:,{cluster_quality(plan).to_csv()}")
        yield


# not for the session, in which other tests look at the pictures
@pytest.fixture(scope="module", autouse=True)
def plain_pictures() -> Iterator[None]:
    with plain():
        yield


@pytest.fixture(scope="session")
def sealed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every run, table, figure and page of a small plan, written once."""
    with plain():
        return made_once(tmp_path_factory, "sealed_results", _write)


@pytest.fixture
def sealed(sealed_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """The plan; the working directory is a copy of `sealed_folder`."""
    shutil.copytree(sealed_folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return load_plan(tmp_path / "small.yaml")


def edit_record(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Edit a record as somebody does who repairs its digest and its key."""
    record = json.loads((folder / "record.json").read_text())
    change(record)
    record |= {"key": run_key(record)}
    write_atomically(folder / "record.json", record | {"digest": record_digest(record)})


def build(plan: Plan) -> None:
    """Tables, figures, seal and page from the runs that are there."""
    for name, artifact in artifacts_of(plan).items():
        artifact.make(plan, ROOT / f"{name}.csv")
    seal_path(plan).write_text(seal_text(verify(plan, sealing=True)))
    html.write_report(plan, ROOT / "report.html")


def _write(folder: Path) -> None:
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setenv("DICCAE_COMMIT", COMMIT)
        plan = _plan(folder)
        _write_data(plan)
        for run in with_parents(scored_runs(plan, plan.needs())):
            _write_run(run)
        for job in jobs(plan).values():
            job.stamp.parent.mkdir(exist_ok=True, parents=True)
            job.stamp.write_text(job.stamp_text)
        build(plan)


def _plan(folder: Path) -> Plan:
    content = yaml.safe_load((CONFIG_ROOT / "plans" / "smoke.yaml").read_text())
    section = {"variants": ["full", "no_confusion_loss"], "modalities": ["AV"]}
    content |= {"name": "small", "data_root": "data", "table1": section, "table2": section}
    content["mechanism"] = {"variant": "full", "flat": "no_confusion_loss", "modality": "AV"}
    content |= {"seeds": [0, 1], "controls": None, "sensitivity": None, "leakage": None}
    content["figure3"] = None
    (folder / "small.yaml").write_text(yaml.safe_dump(content))
    return load_plan(folder / "small.yaml")


def _write_data(plan: Plan) -> None:
    names = [f"class {index}" for index in range(CLASSES)]
    labels = np.repeat(np.arange(CLASSES), PER_CLASS)
    table = pd.DataFrame({"label": labels, "label_name": [names[label] for label in labels]})
    manifest = pd.concat(
        [
            table.assign(split=split, id=[f"{split}-{i:04d}" for i in range(len(table))])
            for split in ("test", "validation", "unlabelled")
        ],
        ignore_index=True,
    )
    manifest["path"] = "clips/" + manifest["id"] + ".mp4"
    manifest["source"] = "generator"
    plan.cache_dir.mkdir(parents=True)
    manifest.to_parquet(plan.manifest)
    manifest[["id", "label"]].to_parquet("data/truth.parquet")
    overlap = np.random.default_rng(0).random((CLASSES, CLASSES)).tolist()
    truth = {
        "classes": names,
        "confusability": {modality: overlap for modality in ("A", "V", "AV")},
        "confusable_pairs": {"A": [[0, 1]], "V": [[1, 2]], "AV": []},
        "corruption": 0.03,
        "bayes_ceiling": {"A": 64.0, "V": 64.0, "AV": 94.0},
    }
    write_atomically(Path("data/truth.json"), truth)
    _write_cache(plan, manifest)


def _write_cache(plan: Plan, manifest: pd.DataFrame) -> None:
    """A cache of clips that are not there."""
    rng, digests = np.random.default_rng(0), {}
    frames = rng.integers(0, 256, (len(manifest), 1, 2, 2, 3)).astype(np.uint8)
    fbank = rng.random((len(manifest), 3, 2)).astype(np.float16)
    for name, array in (("frames", frames), ("fbank", fbank)):
        np.save(plan.cache_dir / f"{name}.npy", array)
        digests[name] = file_digest(plan.cache_dir / f"{name}.npy")
    index = pd.concat([manifest, checksums(frames, fbank)], axis=1).assign(status="ok")
    meta = {
        "settings": {"modality": "AV"},
        "clips": len(manifest),
        "counts": {"ok": len(manifest)},
        "manifest_sha256": file_digest(plan.manifest),
        "sha256": {**digests, "index": write_index(plan.cache_dir, index)},
    }
    write_meta(plan.cache_dir, meta)


def _write_run(run: Run) -> None:
    run.folder.mkdir(parents=True)
    if run.spec.scored:
        write_run(run.plan, run.variant, run.modality, run.seed, SKILL[run.variant])
    else:
        ids = [f"unlabelled-{index:04d}" for index in range(CLASSES * PER_CLASS)]
        clusters = np.arange(len(ids)) % 7
        arrays = {"ids": np.array(ids), "epochs": np.array([0]), "inertia": np.array([1.5])}
        write_atomically(run.folder / "assignments.npz", arrays | {"assign_0": clusters})
        curve = pd.DataFrame({"epoch": [1], "loss": [run.seed]})
        if run.stage == "pretrain":
            curve["weight_mean"] = 1.0
        write_atomically(run.folder / "history.csv", curve)
    (run.folder / "weights.pth").write_text(f"the weights of {run}")
    names = [path.name for path in run.folder.iterdir() if path.name != "record.json"]
    files = {name: file_hash(run.folder / name) for name in names if (run.folder / name).is_file()}
    origin = origin_of(run)
    record = build_record(run, origin, files, {}, Stopwatch())
    write_atomically(run.folder / "record.json", record)


@pytest.fixture(scope="session")
def exported(sealed_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the shards of both seeds of the small plan."""

    def write(folder: Path) -> None:
        copy = folder / "copy"
        shutil.copytree(sealed_folder, copy)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(copy)
            plan = load_plan("small.yaml")
            for seed in plan.seeds:
                export_shard(plan, seed, folder / f"seed{seed}.npz")
        shutil.rmtree(copy)

    return made_once(tmp_path_factory, "shards", write)


@pytest.fixture
def lab(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shards and nothing beside it: no runs, no data, no plan."""
    folder = tmp_path / "lab"
    shutil.copytree(exported, folder / "shards")
    monkeypatch.chdir(folder)
    return Path("shards")


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def change(path: Path, edit: Any) -> None:
    """Edit a shard as somebody does who repairs its digest."""
    about, arrays = read_shard(path)
    edit(about, arrays)
    write_shard(path, about, arrays)
