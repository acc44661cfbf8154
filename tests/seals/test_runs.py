"""Records held against their runs, files, parents, configs, code, lock and data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from diccae.hashes import file_hash, record_digest
from diccae.plans import Plan
from diccae.run_graph import Run, scored_runs
from diccae.seals.file_digests import FileDigests
from diccae.seals.finding import Finding
from diccae.seals.runs import RunChecks, check_code, check_mixture, check_surroundings
from diccae.source import SourceTree, present_tree
from tests.seals.conftest import COMMIT, ROOT, edit_record

RUN = ROOT / "runs/no_confusion_loss/seed1/finetune/AV"
NAMED = f"{RUN}/record.json (for finetune no_confusion_loss AV seed 1 in table2.csv)"


def findings(plan: Plan) -> list[Finding]:
    runs = RunChecks(FileDigests(), {}, {})
    for run in scored_runs(plan, plan.needs()):
        runs.check(run, ["table2.csv"])
    found = runs.findings + check_surroundings(plan, runs.checked)
    return found + check_code(runs.checked) + check_mixture(runs.checked)


def problems(plan: Plan) -> list[str]:
    return [str(finding) for finding in findings(plan)]


def test_untouched_runs_have_no_finding(sealed: Plan) -> None:
    assert findings(sealed) == []


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("seed", 7, "seed is 7, the plan gives 1"),
        ("stage", "pretrain", "stage is 'pretrain', the plan gives 'finetune'"),
        ("modality", "A", "modality is 'A', the plan gives 'AV'"),
        ("variant", "full", "variant is 'full', the plan gives 'no_confusion_loss'"),
        ("system", "toy", "system is 'toy', the plan gives 'diccae'"),
        ("settings", {}, "settings.benchmark is None, the plan gives"),
        ("versions", {"torch": "1.0"}, "versions.torch is '1.0', the plan gives"),
        ("parents", {}, "names of parents is []"),
        ("weights", {"vit.bin": "0"}, "names of weights is ['vit.bin'], the plan gives []"),
        ("kernels", {"threads": 7}, "kernels.threads is 7, the plan gives 1"),
        ("files", {"metrics.json": "0"}, "is not the file that the run wrote"),
        ("files", {"gone.csv": "0"}, "gone.csv: is gone, the file that the run wrote"),
    ],
)
def test_a_record_is_held_against_the_plan_and_the_files(
    sealed: Plan, key: str, value: object, words: str
) -> None:
    edit_record(RUN, lambda record: record.update({key: value}))
    assert any(
        line.split(": ")[1].startswith(str(RUN)) and words in line for line in problems(sealed)
    )


def test_a_file_of_weights_must_be_the_one_that_the_run_read(
    sealed: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Path("vit.bin")
    file.write_bytes(b"weights")
    named = property(lambda run: {str(file): "model.init"} if run.folder == RUN else {})
    monkeypatch.setattr(Run, "weight_files", named)
    edit_record(RUN, lambda record: record.update(weights={str(file): file_hash(file)}))
    assert problems(sealed) == []
    file.write_bytes(b"others")
    (problem,) = problems(sealed)
    assert problem.startswith("stale: ")
    assert "vit.bin is not the file that the run started from" in problem
    file.unlink()
    assert "vit.bin is gone, the file that the run started from" in problems(sealed)[0]
    edit_record(RUN, lambda record: record.pop("weights"))
    assert any("names of weights is [], the plan gives ['vit.bin']" in p for p in problems(sealed))


def test_a_record_that_contradicts_itself_or_cannot_be_read(sealed: Plan) -> None:
    path, text = RUN / "record.json", (RUN / "record.json").read_text()
    record = json.loads(text)
    other_key = record | {"key": "0" * 16}
    other_key |= {"digest": record_digest(other_key)}
    for changed, words in (
        (json.dumps(record | {"wall_seconds": 1.0}), "does not have the digest that it states"),
        (json.dumps(other_key), f"its key is {'0' * 16}, what it states gives {record['key']}"),
        (json.dumps(record), "its values are those that were written, its bytes are not"),
        (json.dumps({k: v for k, v in record.items() if k != "seed"}), "keys: seed: Field req"),
        (json.dumps(record | {"parents": 3}), "keys: parents: Input should be a valid dict"),
        (text[:100], "it cannot be read"),
        ("[]", "wanted a JSON object, found list"),
    ):
        path.write_text(changed)
        found = problems(sealed)
        assert any(line.startswith(f"edited: {NAMED}: ") and words in line for line in found)
    path.unlink()
    assert problems(sealed) == [
        f"missing: {NAMED}: there is no record.json, so these numbers have no source"
    ]


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
    assert problem.startswith(f"stale: {NAMED}: made with other {name}")


def test_a_changed_config_makes_its_runs_stale(sealed: Plan) -> None:
    found = problems(sealed.model_copy(update={"overrides": {"schedule.finetune.lr": 0.5}}))
    assert found
    assert all("made with other configs" in line for line in found)


def test_data_that_changed_after_all_runs_are_one_finding(sealed: Plan) -> None:
    meta = sealed.cache_dir / "meta.json"
    meta.write_text(meta.read_text() + "\n")
    (problem,) = problems(sealed)
    assert problem.startswith(f"stale: {sealed.manifest} and {meta}: all ")
    assert " runs were made with other data" in problem


def test_runs_by_the_code_of_the_commit_that_they_name_are_sealed(
    sealed: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = present_tree().texts
    module = "diccae.engine.runs"
    earlier = SourceTree(texts | {module: texts[module] + "\n# as it was\n"})
    paths = list((ROOT / "runs").rglob("record.json"))
    for path in paths:
        record = json.loads(path.read_text())
        names = (record[key] for key in ("stage", "variant", "seed", "modality"))
        digest = earlier.digest(Run(sealed, *names).config(), "diccae")
        edit_record(path.parent, lambda r, d=digest: r.update(source_hash=d))
    # the commit does not exist
    words = f"stale: diccae: all {len(paths)} runs were made with other code than today's"
    assert problems(sealed) == [words]
    monkeypatch.setattr("diccae.seals.runs.tree_of_commit", {COMMIT: earlier}.get)
    (note,) = findings(sealed)
    assert (note.kind, note.problem) == ("code", False)
    words = f"{len(paths)} runs were made by the code of commit 0000000000; today's code differs in"
    assert words in note.message
    # one run by other code than the rest makes a mixture
    edit_record(RUN, lambda record: record.update(source_hash="0" * 16))
    assert any(finding.problem for finding in findings(sealed))


def test_a_run_of_another_plan_is_named(sealed: Plan) -> None:
    edit_record(RUN, lambda record: record.update(plan="smoke"))
    assert problems(sealed) == [f"mixed: {NAMED}: belongs to plan smoke, not to small"]


def test_other_commits_and_dirty_trees_are_notes(sealed: Plan) -> None:
    edit_record(RUN, lambda record: record.update(commit="f" * 40, dirty=True))
    assert [(each.kind, each.problem) for each in findings(sealed)] == [("mixed", False)] * 2


def test_a_changed_or_missing_parent_is_named(sealed: Plan) -> None:
    # w/o L_CL starts from the warm-up, which the full method has too
    weights = ROOT / "runs/full/seed1/warmup/weights.pth"
    weights.write_bytes(b"other")
    assert f"stale: {NAMED}: {weights} is not the file that the run started from" in problems(
        sealed
    )
    weights.unlink()
    assert f"stale: {NAMED}: {weights} is gone, the file that the run started from" in problems(
        sealed
    )
