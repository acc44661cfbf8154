"""An audit of trained results: honest ones are equal to the byte, forged ones are met."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from diccae.audit import later_code
from diccae.audit.compare import differences
from diccae.audit.retrain import train_again
from diccae.audit.stored import require_stored
from diccae.cli.main import main
from diccae.digests import text_digest
from diccae.hashes import file_hash, record_digest, run_key
from diccae.plans import Plan
from diccae.reporting.shard_file import read_shard, write_shard
from diccae.reporting.shard_folder import plan_of_shards
from diccae.run_graph import Run, scored_runs, with_parents
from diccae.source import SourceTree, present_tree
from tests.audit.conftest import seal

SHARD = Path("shards/seed0.npz")
RUN = "full/seed0/finetune/AV"


def said(words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Any:
    """(exit code, standard output, standard error) of `diccae verify`."""
    monkeypatch.setattr(sys, "argv", ["diccae", "verify", *words.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code, *capsys.readouterr()


def audit(plan: Plan) -> dict[str, list[str]]:
    """What differs between the runs and those that were trained again, by run."""
    runs = with_parents(scored_runs(plan, plan.needs()))
    found = {run: differences(require_stored(run), Path("work") / run.folder) for run in runs}
    return {str(run): words for run, words in found.items() if words}


def test_honest_results_are_equal_to_the_byte(audited: Plan) -> None:
    code, *lines = Path("said.txt").read_text().strip().splitlines()
    assert code == "0"
    assert "draw of 2 of 2 scored runs" in lines
    # the first one stands behind a bar of progress
    assert set(re.findall("equal: (.*)", "\n".join(lines))) == {
        "finetune full AV seed 0",
        "pretrain full seed 0",
        "warmup full seed 0",
        "finetune from_scratch AV seed 0",
    }
    assert "This proves that 4 runs are, to the byte, what code, data and plan give" in lines[-2]
    assert (
        lines[-1] == "  If 1 of the 2 runs was forged, a draw of 2 would have met one with 100 %."
    )
    # as results in folders of their own
    assert audit(audited) == {}


def test_weights_give_the_predictions(
    audited: Plan, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    # of both runs, since a results folder may have the others in shards
    code, out, _ = said("--plan tiny.yaml --rescore", monkeypatch, capsys)
    assert code == 0
    assert "equal: finetune full AV seed 0\nequal: finetune from_scratch AV seed 0\n" in out
    assert "2 runs scored again from their weights: 0 differ\n" in out
    # other weights, with a record and a seal that name them
    run = Run(audited, "finetune", "full", 0, "AV")
    path = run.folder / "weights.pth"
    weights = torch.load(path, weights_only=True)
    name = next(name for name in weights if name.startswith("classifier"))
    torch.save(weights | {name: weights[name].flip(0)}, path)
    _name_again(run, "weights.pth")
    # and predictions of other classes with the same accuracy
    other = Run(audited, "finetune", "from_scratch", 0, "AV")
    path = other.folder / "predictions.parquet"
    _confuse(pd.read_parquet(path)).to_parquet(path, index=False)
    _name_again(other, "predictions.parquet")
    seal(audited)
    code, out, _ = said("--plan tiny.yaml --rescore", monkeypatch, capsys)
    assert code == 1
    met = [line for line in out.splitlines() if line.startswith("DIFFERS")]
    assert met[0].startswith("DIFFERS: finetune full AV seed 0: ")
    assert "predictions name another class; accuracy on the test clips" in met[0]
    assert met[1].startswith("DIFFERS: finetune from_scratch AV seed 0: predictions.parquet: 2 of")
    assert "2 runs scored again from their weights: 2 differ" in out
    # training again meets both as well
    assert audit(audited).keys() == {"finetune full AV seed 0", "finetune from_scratch AV seed 0"}


def test_results_of_earlier_code_are_audited_by_todays(
    audited: Plan, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    run = Run(audited, "finetune", "full", 0, "AV")
    stored = require_stored(run)
    stored.record["source_hash"] = "0" * 16
    stored.record["key"] = run_key(stored.record)
    assert differences(stored, Path("work") / run.folder) == []
    # a module that every run executes changes
    tree = present_tree()
    changed = {"diccae.engine.runs": tree.texts["diccae.engine.runs"] + "CHANGED = True\n"}
    monkeypatch.setattr(later_code, "present_tree", lambda: SourceTree({**tree.texts, **changed}))
    for wanted in (0, 1):
        code, out, _ = said("--plan tiny.yaml --rescore", monkeypatch, capsys)
        assert (code, "0 differ" in out) == (wanted, not wanted)
        assert (
            "note: the code that 2 of 2 runs execute has changed since they were made. Equal bytes "
            "show that today's code gives them too; if a run differs, the change may be why: "
            f"repeat the audit in a checkout of commit {stored.record['commit'][:10]}"
        ) in out
        _confuse(pd.read_parquet(run.folder / "predictions.parquet")).to_parquet(
            run.folder / "predictions.parquet", index=False
        )
        _name_again(run, "predictions.parquet")
        seal(audited)


def _name_again(run: Run, name: str) -> None:
    """Repair the record of a run, one of whose files was forged."""
    path = run.folder / "record.json"
    record = json.loads(path.read_text())
    record["files"][name] = file_hash(run.folder / name)
    record |= {"digest": record_digest(record)}
    path.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


def _confuse(table: pd.DataFrame) -> pd.DataFrame:
    """Two wrong answers become others that are wrong too."""
    chosen = (table["split"] == "test") & (table["view"] == "multi")
    wrong = table.index[chosen & (table["top1"] != table["label"])][:2]
    classes = table["label"].max() + 1
    for row in wrong:
        others = {*range(classes)} - {table.at[row, "label"], table.at[row, "top1"]}
        table.at[row, "top1"] = min(others)
    return table


def _predictions(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    """More test clips are right than were, and metrics.json and its record say so."""
    place = about["runs"].index({"variant": "full", "modality": "AV"})
    test = np.array(about["clips"]["split"]) == "test"
    view = about["views"].index("multi")
    top1, label = arrays["top1"][view, :, place], arrays["label"]
    wrong = np.flatnonzero(test & (top1 != label))[:3]
    top1[wrong] = label[wrong]
    metrics = json.loads(about["files"][f"{RUN}/metrics.json"])
    metrics["accuracy"]["test"]["top1_multi"] = 100 * float((top1 == label)[test].mean())
    about["files"][f"{RUN}/metrics.json"] = json.dumps(metrics)
    record = about["records"][RUN]
    record["files"]["metrics.json"] = text_digest(json.dumps(metrics))[:16]
    record["digest"] = record_digest(record)


def _other_errors(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Two wrong answers become others, so that no digest has to be repaired."""
    place = about["runs"].index({"variant": "full", "modality": "AV"})
    test = np.array(about["clips"]["split"]) == "test"
    top1, label = arrays["top1"][about["views"].index("multi"), :, place], arrays["label"]
    for row in np.flatnonzero(test & (top1 != label))[:2]:
        top1[row] = min({*range(12)} - {int(top1[row]), int(label[row])})


def _parent(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    """A warm-up with other clusters, which the pre-training names as its start."""
    warmup, pretrain = (about["records"][f"full/seed0/{stage}"] for stage in ("warmup", "pretrain"))
    warmup["files"]["assignments.npz"] = "0" * 16
    path = next(name for name in pretrain["parents"] if name.endswith("warmup/assignments.npz"))
    pretrain["parents"][path] = "0" * 16
    pretrain["key"] = run_key(pretrain)
    for record in (warmup, pretrain):
        record["digest"] = record_digest(record)


def _degrees(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Degrees of two pairs of classes change places."""
    degree = arrays["degree"][about["degrees"].index(RUN)]
    degree[[1, 2]] = degree[[2, 1]]


def _clusters(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    about["clusters"][0]["purity"] = 0.99


def _compute(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    """A cheaper training than it was."""
    record = about["records"][RUN]
    record["compute"]["training_tflop"] /= 2
    record["digest"] = record_digest(record)


def _update(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    arrays["in_update"][0] ^= True


def _withheld(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    scored = arrays["withheld"] >= 0
    arrays["withheld"][scored] = 1 - arrays["withheld"][scored]


@pytest.mark.parametrize(
    ("forge", "run", "words"),
    [
        (_compute, "finetune full AV seed 0", "record.json: it states other parameters, operat"),
        (_update, "finetune full AV seed 0", "name the same class, other columns differ"),
        (_withheld, "finetune full AV seed 0", "which clips are right with a modality withheld"),
        (_predictions, "finetune full AV seed 0", "predictions name another class; accuracy on"),
        (_other_errors, "finetune full AV seed 0", "predictions: 2 of 144 predictions name anoth"),
        (_parent, "warmup full seed 0", "assignments.npz: its digest is not the one in"),
        (_degrees, "finetune full AV seed 0", "shards/seed0.npz: degrees of confusion"),
        (_clusters, "pretrain full seed 0", "purity, mutual information or inertia of its clus"),
    ],
)
def test_a_forged_shard_that_is_sealed_again_is_met(
    audited: Plan, forge: Callable[..., None], run: str, words: str
) -> None:
    about, arrays = read_shard(SHARD)
    forge(about, arrays)
    write_shard(SHARD, about, arrays)
    plan = plan_of_shards(Path("shards")).at(Path("shards"))
    # the forger makes everything again, and without training nothing is found
    seal(plan)
    found = audit(plan)
    assert any(words in each for each in found[run]), found


def test_how_much_files_of_a_run_differ(audited: Plan) -> None:
    warmup, full = Run(audited, "warmup", "full", 0), Run(audited, "finetune", "full", 0, "AV")
    with np.load(warmup.folder / "assignments.npz") as arrays:
        kept = dict(arrays)
    kept["assign_0"][:36] += 1
    np.savez(warmup.folder / "assignments.npz", **kept)
    _name_again(warmup, "assignments.npz")
    path = full.folder / "withheld.parquet"
    table = pd.read_parquet(path)
    table.loc[:4, "top1"] = 12 - table.loc[:4, "top1"]
    table.to_parquet(path)
    _name_again(full, "withheld.parquet")
    (full.folder / "history.csv").write_text("epoch\n")
    _name_again(full, "history.csv")
    found = audit(audited)
    # 36 of 144 unlabelled clips
    assert found.pop("warmup full seed 0") == [
        "assignments.npz: 25.0 % of the values of assign_0 differ"
    ]
    assert found.pop("finetune full AV seed 0") == [
        "history.csv: other bytes",
        f"withheld.parquet: 4 of {len(table)} predictions name another class",
    ]
    assert found == {}
    path.write_bytes(b"PAR1")
    assert "withheld.parquet: cannot be compared (Arrow" in str(_again(full, path))


def _again(run: Run, path: Path) -> list[str]:
    _name_again(run, path.name)
    return differences(require_stored(run), Path("work") / run.folder)


def test_inputs_above_the_working_directory_are_found(
    audited: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("inside").mkdir()
    monkeypatch.chdir("inside")
    plan = audited.model_copy(update={"data_root": "../data"})
    seen = []
    # what training would read
    monkeypatch.setattr(
        "diccae.audit.retrain.execute", lambda run: seen.append(run.plan.manifest.resolve())
    )
    train_again([Run(plan, "finetune", "from_scratch", 0, "AV")], Path("fresh"))
    assert seen == [Path("../data/manifest.parquet").resolve()]
    assert not list(Path("..").glob("fresh*"))


def test_an_audit_of_what_is_not_sealed_trains_nothing(
    audited: Plan, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    Path("shards/table1.csv").write_text("variant\n")
    words = "--results shards --retrain 1 --word rain --work fresh"
    code, out, _ = said(words, monkeypatch, capsys)
    assert code == 1
    assert "no run was trained or scored again: an audit is of results that are sealed" in out
    assert not any(Path("fresh").iterdir())


MISTAKES = {
    "--retrain 1": "--retrain: the draw needs a word that nobody knew",
    "--word rain": "--word: it belongs to --retrain; add --retrain 3, or leave --word out",
    "--rescore --work fresh": "--work: it belongs to --retrain",
    "--retrain 1 --word rain --rescore": "--retrain and --rescore are two audits",
    "--retrain 1 --word rain --out v.json": "--retrain: an audit writes no verdict",
    "--rescore --out v.json": "--rescore: an audit writes no verdict and makes no seal; omit",
    "--retrain 0 --word rain": "--retrain 0: shards/verify.json covers 2 scored runs of plan tiny",
    "--retrain 3 --word rain": "name a number from 1 to 2",
    "--rescore": "--rescore: shards has no folder of a run of plan tiny, and shards hold no weigh",
    "--retrain 1 --word rain --work work": "--work work: wanted a new or empty folder",
    "--retrain 1 --word rain --work said.txt": "--work said.txt: wanted a new or empty folder",
}


def test_mistakes_are_one_sentence(
    audited: Plan, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    for words, wanted in MISTAKES.items():
        code, _, error = said(f"--results shards {words}", monkeypatch, capsys)
        assert code == 2, words
        assert wanted in error
        assert len(error.strip().splitlines()) == 1
    shutil.rmtree("data")
    words = "--results shards --retrain 1 --word rain"
    code, _, error = said(words, monkeypatch, capsys)
    assert code == 2
    assert "data/manifest.parquet is missing; run `diccae data render --plan tiny` first" in error
