"""The committed reference: folders of shards that grow seed by seed, and runs against them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from diccae.cli.main import app
from diccae.cli.options import plan_of_results
from diccae.committed import DATA_SETS, DATA_SETS_TABLE
from diccae.errors import UserError
from diccae.plans import Plan
from diccae.reporting.against_reference import against_reference
from diccae.reporting.compare_runs import compare_runs
from diccae.reporting.csv_file import save
from diccae.reporting.data_sets import data_sets
from diccae.reporting.listed_files import root_digest
from diccae.seals.finding import Finding
from diccae.seals.verify import verify
from tests.seals.conftest import ROOT, RUN, build, change, run

REFERENCE = Path("results/reference/small")


@pytest.fixture
def shards(sealed: Plan, exported: Path) -> Path:
    """The shards of both seeds as the reference of the sealed plan."""
    shutil.copytree(exported, REFERENCE)
    return REFERENCE


def top1(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Another class for three clips, one of them in both views."""
    for view, clip in ((0, 3), (1, 3), (0, 4), (1, 5)):
        arrays["top1"][view, clip, 0] = (arrays["top1"][view, clip, 0] + 1) % 12


def code(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    record = about["records"][RUN.replace("seed0", "seed1")]
    record |= {"source_hash": "1" * 16, "commit": "1" * 40}


def configs(about: dict[str, Any], arrays: dict[str, Any]) -> None:
    about["records"][RUN]["config_hash"] = "1" * 16


def compare(*folders: Path | str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["compare", *map(str, folders)])
    return result.exit_code, result.output


def test_the_page_has_the_reference_beside_the_runs(
    sealed: Plan, shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("effects.csv", "claims.csv"):
        shutil.copy(ROOT / name, shards)
    monkeypatch.setitem(DATA_SETS, "small", "rendered")
    save(data_sets(), DATA_SETS_TABLE)
    build(sealed)
    page = (ROOT / "report.html").read_text()
    assert (
        "The predicted classes of your 2 seeds (0, 1) equal the reference in all 4 runs; the "
        "scores are the same to the byte in all of them. The reference has 2 seeds;"
    ) in page
    assert "your 2 seeds, and the 2 of the reference" in page
    assert "Rendered clips and real sounds are not compared yet" in page
    assert '<th scope="col">small, A-V</th>' in page
    assert "not computed yet: embedded, kitchen20, kitchen20-frozen, esc10." in page
    seal = json.loads((ROOT / "verify.json").read_text())
    assert seal["sealed"]
    assert str(DATA_SETS_TABLE) in seal["files"]
    # the page depends on the reference, so its files are sealed
    change(shards / "seed0.npz", top1)
    found = [str(Finding(**each)) for each in verify(sealed)["findings"]]
    assert any(each.startswith(f"edited: {shards}/seed0.npz: is not the file") for each in found)
    assert any("report.html, Committed reference: says" in each for each in found)


def test_a_record_that_is_missing_beside_its_predictions(sealed: Plan, shards: Path) -> None:
    next(ROOT.glob("runs/full/**/finetune/AV/record.json")).unlink()
    with pytest.raises(UserError, match="record.json is missing; run the workflow again, which"):
        compare_runs(ROOT, shards)


def test_runs_that_are_not_those_of_the_reference_are_counted(sealed: Plan, shards: Path) -> None:
    for path in ROOT.glob("table2.csv"):
        (shards / path.name).write_text(path.read_text())
    # an edit within the spread over seeds is no noise: the runs are the same
    table = pd.read_csv(shards / "table2.csv", dtype=str, keep_default_na=False)
    edited = table.assign(top1=[f"{float(value) + 1e-4:.4f}" for value in table["top1"]])
    edited.to_csv(shards / "table2.csv", index=False)
    status, said = compare(ROOT, shards)
    assert status == 1
    assert "equal the reference in all 4 runs" in said
    assert "different                   table2.csv\n" in said
    assert "; the runs are the same, so other code or an edit made the difference" in said
    (shards / "table2.csv").unlink()
    code_, said = compare(ROOT, shards)
    assert "equal the reference in all 4 runs" in said
    change(shards / "seed0.npz", top1)
    found = compare_runs(ROOT, shards)
    assert found.differing[
        ["variant", "modality", "seed", "clips", "differ"]
    ].to_numpy().tolist() == [["full", "AV", 0, 480, 3]]
    # a reference whose classes were edited still names the file of scores by its digest
    assert found.runs["same_scores"].all()
    status, said = compare(ROOT, shards)
    assert status == 1
    assert "1 of 4 runs of your 2 seeds (0, 1) has other predicted classes than the ref" in said
    assert "in 3 of 480 clips." in said
    # the folder of all references with its table over them, against the results of a checkout
    (shards / "seed1.npz").unlink()
    save(data_sets(), DATA_SETS_TABLE)
    status, said = compare("results", "results/reference")
    assert (status, said.count("here: results/small; there: results/reference/small")) == (1, 1)
    assert "not compared: tables, which are of 2 seeds here and of 1 there" in said
    assert DATA_SETS_TABLE.name not in said
    # and a copy of that folder, in which the default plan has a folder of its own name
    shards.rename(shards.with_name("embedded"))
    shutil.copytree("results/reference", "copy")
    status, said = compare("copy", "results/reference")
    assert (status, said.count("here: copy/embedded; there: results/reference/embedded")) == (0, 1)
    assert "equal the reference in all 2 runs" in said
    words = "not compared: tables, which are not in copy/embedded and results/reference/embedded"
    assert words in said


def test_a_reference_that_cannot_be_compared_is_one_sentence(
    sealed: Plan,
    exported: Path,
) -> None:
    def said() -> str:
        shown = against_reference(sealed, ROOT)
        assert shown is not None
        assert (shown["seeds"], shown["effects"], len(shown["sentences"])) == (0, [], 1)
        return str(shown["sentences"][0])

    assert said() == "Plan small has no committed reference."
    shutil.copytree(exported, REFERENCE)
    change(REFERENCE / "seed0.npz", configs)
    assert "is of another version of the plan: 1 of 4 runs have other configs than in" in said()
    (REFERENCE / "seed0.npz").write_bytes(b"PK")
    assert "results/reference/small/seed0.npz is damaged" in said()
    for path in REFERENCE.glob("*.npz"):
        path.unlink()
    change_seed = REFERENCE / "seed7.npz"
    shutil.copy(exported / "seed0.npz", change_seed)
    change(change_seed, lambda about, _: about.update(seed=7))
    assert "have no run in common: seeds 0, 1 here, 7 there" in said()
    change_seed.unlink()
    shutil.copytree(exported, REFERENCE, dirs_exist_ok=True)
    for name in ("effects.csv", "claims.csv"):
        shutil.copy(ROOT / name, REFERENCE)
    files = {"results/small/claims.csv": "0" * 64}
    content = {"plan": "small", "runs": 8, "sealed": True, "files": files}
    seal = content | {"root": root_digest(content)}
    (REFERENCE / "verify.json").write_text(json.dumps(seal))
    assert f"{REFERENCE}/claims.csv is not the file that {REFERENCE}/verify.json lists" in said()


def test_what_else_differs_is_said_beside_the_comparison(sealed: Plan, shards: Path) -> None:
    change(shards / "seed0.npz", lambda about, _: about["records"][RUN].update(lock_hash="1" * 16))
    (shards / "seed1.npz").unlink()
    words = compare_runs(ROOT, shards).sentences()
    assert words[1:] == ["The reference was made with other packages (1 run)."]
    shutil.rmtree(ROOT / "runs/no_confusion_loss/seed0/finetune")
    assert compare_runs(ROOT, shards).sentences()[2:] == [
        "1 run of these seeds: in the reference alone."
    ]


def test_a_seed_is_added_to_a_reference_without_touching_the_others(
    sealed: Plan,
    exported: Path,
) -> None:
    REFERENCE.mkdir(parents=True)
    first = REFERENCE / "seed0.npz"
    shutil.copy(exported / "seed0.npz", first)
    assert plan_of_results(None, 1, REFERENCE).seeds == [0]
    with pytest.raises(UserError, match="seed1.npz is missing: .* take fewer seeds with --seeds"):
        plan_of_results(None, None, REFERENCE)
    before = first.read_bytes()
    shutil.copy(exported / "seed1.npz", REFERENCE)
    assert "seeds 0, 1, sealed" in run("report", "--results", str(REFERENCE))
    assert first.read_bytes() == before
    assert list(pd.read_csv(REFERENCE / "effects.csv")["seeds"]) == [2]
    # the page is not kept
    (REFERENCE / "report.html").unlink()
    said = run("verify", "--results", str(REFERENCE))
    assert "note: results/reference/small/report.html: is not here; rendered again, it has" in said
    seal = json.loads((REFERENCE / "verify.json").read_text())
    assert seal["files"]["results/small/report.html"]


def test_a_shard_of_another_freeze_and_a_seed_beyond_the_plans(sealed: Plan, shards: Path) -> None:
    def refusal(*words: str) -> str:
        result = CliRunner().invoke(app, ["report", "--results", str(shards), *words])
        assert isinstance(result.exception, UserError)
        return str(result.exception)

    content = yaml.safe_load(Path("small.yaml").read_text())
    Path("small.yaml").write_text(yaml.safe_dump(content | {"seeds": [0]}))
    assert refusal("--plan", "small.yaml") == (
        f"{shards}/seed1.npz holds seed 1, which plan small does not have (0); remove it, or add "
        "the seed to the plan"
    )
    assert "seeds: plan small has 2 seeds, got 3" in refusal("--seeds", "3")
    change(shards / "seed1.npz", code)
    assert refusal().startswith(
        f"{shards}/seed1.npz was made with other code than {shards}/seed0.npz (1 of 4 runs, such "
        "as full/seed1/finetune/AV at commit 1111111111); compute this seed again at commit 00000"
    )
