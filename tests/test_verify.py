"""`diccae verify`: edited, stale, mixed and missing results are found and named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from diccae.artifacts import artifact_of
from diccae.errors import UserError
from diccae.hashes import data_hash, file_hash, lock_hash
from diccae.plans import Plan
from diccae.reporting import html
from diccae.reporting.page_seal import page_seal, tables_seal
from diccae.run_graph import Run, with_parents
from diccae.seals.finding import Finding
from diccae.seals.verify import verify
from diccae.source import SourceTree, present_tree, source_hash
from tests.reporting.conftest import fake, synthetic_results  # noqa: F401

ABLATION = Path("results/fake/ablations/no_infonce.csv")
RUN = Path("results/fake/runs/no_infonce/seed1/finetune/AV")


def make(plan: Plan, name: str) -> None:
    artifact_of(plan, name).make(plan, Path("results/fake") / f"{name}.csv")


def edit_record(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    record = json.loads((folder / "record.json").read_text())
    change(record)
    (folder / "record.json").write_text(json.dumps(record))


@pytest.fixture
def sealed(fake: Plan) -> Plan:  # noqa: F811
    """One ablation and Figure 2, from runs with correct records."""
    scored = [
        Run(fake, "finetune", variant, seed, modality)
        for variant in ("full", "no_infonce", "no_confusion_loss")
        for seed in fake.seeds
        for modality in ("A", "AV")
    ]
    for run in with_parents(scored):
        if not run.spec.scored:
            run.folder.mkdir(parents=True)
            for name in ("weights.pth", "assignments.npz"):
                (run.folder / name).write_text(f"{name} of {run}")
            record = json.loads((RUN / "record.json").read_text()) | {"stage": run.stage}
            (run.folder / "record.json").write_text(json.dumps(record))
        names = [path.name for path in run.folder.iterdir() if path.name != "record.json"]
        truth = {
            "config_hash": run.config_hash,
            "data_hash": data_hash(fake),
            "source_hash": source_hash(run.config(), "diccae"),
            "lock_hash": lock_hash(),
            "parents": {str(path): file_hash(path) for path in run.parent_files.values()},
            "files": {name: file_hash(run.folder / name) for name in names},
        }
        edit_record(run.folder, lambda record, truth=truth: record.update(truth))
    make(fake, "ablations/no_infonce")
    make(fake, "figure2")
    return fake


def problems(plan: Plan, clips: bool = False) -> list[str]:
    return [str(Finding(**finding)) for finding in verify(plan, clips)["findings"]]


def test_untouched_results_are_sealed(sealed: Plan) -> None:
    verdict = verify(sealed)
    assert verdict["sealed"]
    assert verdict["findings"] == []
    # full, w/o InfoNCE (A, A-V) and w/o confusion loss (A-V, for the figure), and the runs they
    # start from, a warm-up and three pre-trainings, with three seeds each
    assert (verdict["tables"], verdict["runs"]) == (2, 27)
    assert "table2" in verdict["not_built"]


def test_an_edited_cell_is_named_with_both_values(sealed: Plan) -> None:
    table = pd.read_csv(ABLATION)
    true = table.loc[2, "top1"]
    table.loc[2, "top1"] = 99.0
    table.to_csv(ABLATION, index=False)
    assert any(
        "no_infonce.csv, variant full, modality AV, top1: says 99.0" in line and str(true) in line
        for line in problems(sealed)
    )
    assert not verify(sealed)["sealed"]


def test_an_edited_figure_is_noticed(sealed: Plan) -> None:
    picture = Path("results/fake/figure2.svg")
    picture.write_text(picture.read_text().replace("<svg", "<svg data-touched='1'", 1))
    assert problems(sealed) == [
        "edited: results/fake/figure2.svg: is not what the runs give; build it again"
    ]


def test_edited_predictions_are_noticed_even_if_the_metrics_agree_with_them(sealed: Plan) -> None:
    predictions = pd.read_parquet(RUN / "predictions.parquet")
    predictions["top1"] = predictions["label"]
    predictions.to_parquet(RUN / "predictions.parquet", index=False)
    stated = json.loads((RUN / "metrics.json").read_text())
    for split in stated["accuracy"].values():
        split.update(top1_single=100.0, top1_multi=100.0)
    (RUN / "metrics.json").write_text(json.dumps(stated))
    make(sealed, "ablations/no_infonce")
    found = problems(sealed)
    assert len(found) == 2
    assert all("no_infonce AV seed 1 in ablations/no_infonce.csv" in line for line in found)
    assert any("predictions.parquet is not the file that the run wrote" in line for line in found)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("config_hash", "configs"),
        ("source_hash", "code"),
        ("lock_hash", "lock"),
        ("data_hash", "data"),
    ],
)
def test_a_stale_run_is_named_with_its_tables(sealed: Plan, key: str, name: str) -> None:
    edit_record(RUN, lambda record: record.update({key: "0" * 16}))
    (problem,) = problems(sealed)
    assert problem.startswith(
        f"stale: {RUN} (for finetune no_infonce AV seed 1 in ablations/no_infonce.csv): "
        f"made with other {name}"
    )


def test_runs_by_the_code_of_the_commit_that_they_name_are_sealed(
    sealed: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = present_tree().texts
    module = "diccae.engine.hooks.confusion_degree"
    earlier = SourceTree(texts | {module: texts[module] + "\n# as it was\n"})
    for record in Path("results/fake/runs").rglob("record.json"):
        content = json.loads(record.read_text())
        if "parents" in content:
            run = Run(sealed, content["stage"], *_of(record), content["modality"])
            digest = earlier.digest(run.config(), "diccae")
            edit_record(record.parent, lambda r, d=digest: r.update(source_hash=d, commit="a" * 40))
    # the commit does not exist
    assert any(line.startswith(f"stale: {RUN}") for line in problems(sealed))
    monkeypatch.setattr("diccae.seals.runs.tree_of_commit", {"a" * 40: earlier}.get)
    verdict = verify(sealed)
    assert verdict["sealed"]
    (note,) = (finding for finding in verdict["findings"] if finding["kind"] == "code")
    assert (
        "27 runs were made by the code of commit aaaaaaaaaa; today's code differs in"
        in note["message"]
    )
    # one run by other code than the rest makes a mixture
    edit_record(RUN, lambda record: record.update(source_hash="0" * 16))
    assert not verify(sealed)["sealed"]


def _of(record: Path) -> tuple[str, int]:
    """Variant and seed of a record by its place."""
    parts = record.relative_to("results/fake/runs").parts
    return parts[0], int(parts[1].removeprefix("seed"))


def test_a_changed_config_makes_its_runs_stale(sealed: Plan) -> None:
    other = sealed.model_copy(update={"overrides": {"schedule.finetune.lr": 0.5}})
    found = problems(other)
    assert len(found) == 15
    assert all("made with other configs" in line for line in found)


def test_a_run_of_another_plan_is_named(sealed: Plan) -> None:
    edit_record(RUN, lambda record: record.update(plan="smoke"))
    (problem,) = problems(sealed)
    assert problem.startswith(f"mixed: {RUN}")
    assert "belongs to plan smoke, not to fake" in problem


def test_other_commits_and_dirty_trees_are_notes(sealed: Plan) -> None:
    edit_record(RUN, lambda record: record.update(commit="f" * 40, dirty=True))
    verdict = verify(sealed)
    assert verdict["sealed"]
    assert [finding["kind"] for finding in verdict["findings"]] == ["mixed", "mixed"]


def test_a_changed_or_missing_parent_is_named(sealed: Plan) -> None:
    weights = Path("results/fake/runs/no_infonce/seed1/pretrain/weights.pth")
    weights.write_bytes(b"other")
    assert any(
        line.startswith(f"stale: {RUN}") and "is not the file that the run started from" in line
        for line in problems(sealed)
    )
    weights.unlink()
    assert any("which it started from, is gone" in line for line in problems(sealed))


def test_missing_records_missing_data_and_an_empty_folder(sealed: Plan) -> None:
    (RUN / "record.json").unlink()
    assert any("there is no record.json" in line for line in problems(sealed))
    (sealed.cache_dir / "meta.json").unlink()
    assert any(line.startswith("data: ") for line in problems(sealed))
    shutil.rmtree("results")
    with pytest.raises(UserError, match="holds no table of plan fake; build one first"):
        verify(sealed)


def test_a_report_of_other_tables_is_stale(sealed: Plan) -> None:
    html.write_report(sealed, Path("results/fake/report.html"))
    assert page_seal(Path("results/fake/report.html")) == tables_seal(Path("results/fake"))
    assert problems(sealed) == []
    make(sealed, "ablations/no_confusion_loss")
    assert any("was rendered from other tables" in line for line in problems(sealed))


def test_a_damaged_cache_is_named(sealed: Plan) -> None:
    fbank = np.load(sealed.cache_dir / "fbank.npy", mmap_mode="r+")
    fbank[0] = 1
    fbank.flush()
    assert problems(sealed) == [
        "data: data/cache/fbank.npy: is not the file that was written with the cache: 1 of 1 clips "
        "are damaged, a first; run `diccae data cache --plan fake`"
    ]
