"""Contents and metadata of an exported crate, and the errors of the export."""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from rocrate.rocrate import ROCrate
from typer.testing import CliRunner

from diccae.cli import export as command
from diccae.errors import UserError
from diccae.plans import Plan
from diccae.reporting.crate import Exported, write_crate
from tests.reporting.conftest import make_plan, write_run
from tests.reporting.test_crate_origin import commit_all, git

ORCID = "https://orcid.org/0000-0000-0000-0001"
CITATION = {
    "title": "A package",
    "license": "Apache-2.0",
    "authors": [
        {"given-names": "Ada", "family-names": "Lovelace", "orcid": ORCID},
        {"name": "The maintainers"},
    ],
}


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Three synthetic runs; the working directory is an empty folder."""
    monkeypatch.chdir(tmp_path)
    plan = make_plan(tmp_path)
    for variant, modality in (("full", "AV"), ("no_infonce", "AV"), ("fixed_weight@w=1", "A")):
        write_run(plan, variant, modality, 0, 0.7)
    return plan


@pytest.fixture
def checkout(fake: Plan, tmp_path: Path) -> Path:
    """A small checkout beside the synthetic results, with the lock that the runs used."""
    root = tmp_path / "checkout"
    for name, text in {
        "Snakefile": "rule all:\n    pass\n",
        "diccae/__init__.py": "",
        "requirements.lock": "one==1\n",
        "README.md": "# Package\n",
        "LICENSE": "free\n",
        "CITATION.cff": yaml.safe_dump(CITATION),
        "configs/base/method.py": "method = 1\n",
        "configs/claims.yaml": "claims: []\n",
        "configs/plans/other.yaml": "name: other\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name in (
        "report.html",
        "table1.csv",
        "figure2.csv",
        "figure2.svg",
        "ablations/no_infonce.csv",
        "notes.txt",
    ):
        (fake.results_root() / name).parent.mkdir(parents=True, exist_ok=True)
        (fake.results_root() / name).write_text(f"made {name}\n")
    change_records(fake, lock_hash=hashlib.sha256(b"one==1\n").hexdigest()[:16])
    return root


def change_records(plan: Plan, **values: Any) -> None:
    for path in (plan.results_root() / "runs").rglob("record.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | values))


def exported(plan: Plan, root: Path) -> tuple[Exported, ROCrate]:
    done = write_crate(plan, Path("fake.yaml"), Path("out/crate.zip"), root)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return done, ROCrate("out/crate.zip")


def ids(entities: Any) -> set[str]:
    return {entity.id for entity in (entities if isinstance(entities, list) else [entities])}


def test_the_crate_holds_results_workflow_and_inputs_but_no_weights(
    fake: Plan, checkout: Path
) -> None:
    weights = fake.run_folder("full", 0, modality="AV") / "weights.pth"
    weights.write_bytes(b"0" * 1000)
    matrices = list(Path("results").rglob("confusion.npz"))
    done, crate = exported(fake, checkout)
    names = set(zipfile.ZipFile("out/crate.zip").namelist())
    assert {
        "Snakefile",
        "requirements.lock",
        "configs/plans/fake.yaml",
        "configs/base/method.py",
    } <= names
    results = {"results/fake/report.html", "results/fake/ablations/no_infonce.csv"}
    assert results | {"CITATION.cff"} <= names
    # other plans are not inputs of this run, and notes.txt is not a result
    assert not names & {"configs/plans/other.yaml", "results/fake/notes.txt"}
    assert not [name for name in names if name.endswith((".pth", ".npz"))]
    records = list((fake.results_root() / "runs").rglob("record.json"))
    assert (done.outputs, done.runs, done.left_out) == (5, len(records), len(matrices) + 1)
    assert done.left_out_bytes == 1000 + sum(path.stat().st_size for path in matrices)
    # every file is described, and every described file and folder exists
    described = {
        entity.id.replace("%40", "@").replace("%3D", "=") for entity in crate.data_entities
    }
    assert described | {"ro-crate-metadata.json"} == names
    run = "results/fake/runs/fixed_weight@w=1/seed0/finetune/A/predictions.parquet"
    assert zipfile.ZipFile("out/crate.zip").read(run) == Path(run).read_bytes()


def test_the_metadata_follow_workflow_run_crate(fake: Plan, checkout: Path) -> None:
    _, crate = exported(fake, checkout)
    root, workflow = crate.root_dataset, crate.mainEntity
    assert ids(root["conformsTo"]) == {
        "https://w3id.org/ro/wfrun/process/0.5",
        "https://w3id.org/ro/wfrun/workflow/0.5",
        "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
    }
    assert root["license"].id == "https://spdx.org/licenses/Apache-2.0"
    assert workflow.id == "Snakefile"
    assert set(workflow.type) == {"File", "SoftwareSourceCode", "ComputationalWorkflow"}
    assert workflow["programmingLanguage"]["name"] == "Snakemake"
    assert workflow["version"] == "0123456789abcdef"
    assert {
        (tool["name"], tool["softwareVersion"]) for tool in workflow["softwareRequirements"]
    } == {
        ("torch", "2"),
        ("mmaction2", "1"),
        ("faiss-gpu", "1"),
    }
    action = root["mentions"]
    assert action.type == "CreateAction"
    assert action["instrument"] is workflow
    assert ids(action["object"]) == {"configs/plans/fake.yaml", "requirements.lock", "configs/"}
    assert ids(action["result"]) == {
        "results/fake/report.html",
        "results/fake/table1.csv",
        "results/fake/figure2.csv",
        "results/fake/figure2.svg",
        "results/fake/ablations/no_infonce.csv",
        "results/fake/runs/",
    }
    assert (action["startTime"], action["endTime"]) == (
        "2026-01-01T00:00:00+00:00",
        "2026-01-01T00:00:12+00:00",
    )
    # each input and output belongs to a parameter of the workflow
    assert {entity["exampleOfWork"].id for entity in action["object"]} == ids(workflow["input"])
    assert {entity["exampleOfWork"].id for entity in action["result"]} == ids(workflow["output"])
    assert [author["name"] for author in root["author"]] == ["Ada Lovelace", "The maintainers"]
    assert [author.type for author in root["author"]] == ["Person", "Organization"]
    assert "agent" not in action


def test_times_are_in_utc_and_all_commits_are_listed(fake: Plan, checkout: Path) -> None:
    path = fake.run_folder("full", 0, modality="AV") / "record.json"
    late = {"started": "2026-01-01T03:00:00+02:00", "wall_seconds": 90.0}
    late |= {"commit": "fedcba", "dirty": True}
    path.write_text(json.dumps(json.loads(path.read_text()) | late))
    crate = exported(fake, checkout)[1]
    action = crate.root_dataset["mentions"]
    assert (action["startTime"], action["endTime"]) == (
        "2026-01-01T00:00:00+00:00",
        "2026-01-01T01:01:30+00:00",
    )
    assert crate.mainEntity["version"] == "0123456789abcdef fedcba"
    assert "1 training runs of commit fedcba with uncommitted changes" in action["description"]


def test_the_crate_says_whether_its_files_are_those_of_the_runs(fake: Plan, checkout: Path) -> None:
    done, crate = exported(fake, checkout)
    assert done.origin == "Could not be compared with commit 0123456789abcdef of the runs."
    assert crate.mainEntity["description"].endswith(done.origin)


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_author_of_the_commit_is_the_agent(fake: Plan, checkout: Path) -> None:
    commit_all(checkout, author="Ada Lovelace")
    change_records(fake, commit=git(checkout, "rev-parse", "HEAD"))
    done, crate = exported(fake, checkout)
    assert done.origin == "Workflow, lock and configs are those of the runs."
    assert crate.root_dataset["mentions"]["agent"]["name"] == "Ada Lovelace"


def test_unfinished_results_and_wrong_names_are_refused(fake: Plan, checkout: Path) -> None:
    with pytest.raises(UserError, match=r"--out crate: wanted a file name that ends in \.zip"):
        write_crate(fake, Path("fake.yaml"), Path("crate"), checkout)
    (fake.results_root() / "report.html").unlink()
    with pytest.raises(
        UserError,
        match=r"report.html is missing.*run `snakemake --cores all results/fake/report.html`",
    ):
        exported(fake, checkout)
    (fake.results_root() / "report.html").touch()
    (checkout / "CITATION.cff").write_text("title: A package\n")
    with pytest.raises(UserError, match=r"CITATION.cff: key 'license' is missing"):
        exported(fake, checkout)
    (checkout / "Snakefile").unlink()
    (checkout / "CITATION.cff").write_text(yaml.safe_dump(CITATION))
    with pytest.raises(UserError, match=r"Snakefile is missing; export from a complete checkout"):
        exported(fake, checkout)


def test_a_failed_export_leaves_no_partial_file(fake: Plan, checkout: Path) -> None:
    # a folder of this name makes the write fail even for root
    Path("out/crate.zip").mkdir(parents=True)
    with pytest.raises(UserError, match=r"out/crate.zip: it cannot be written"):
        exported(fake, checkout)
    assert list(Path("out").iterdir()) == [Path("out/crate.zip")]


def test_the_command_exports_from_this_repository(fake: Plan, checkout: Path) -> None:
    app = typer.Typer()
    command.register(app)
    app.callback()(lambda: None)
    result = CliRunner().invoke(app, ["export", "--plan", "fake.yaml", "--out", "crate.zip"])
    assert result.exit_code == 0, result.output
    assert "crate.zip: 5 tables, figures and pages" in result.output
    crate = ROCrate("crate.zip")
    assert crate.root_dataset["author"]["name"] == "diccae-repro maintainers"
    assert "configs/variants/full.py" in ids(crate.get("configs/")["hasPart"])
