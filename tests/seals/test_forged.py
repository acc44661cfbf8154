"""A verify.json whose root digest was repaired, and files that a new seal would take in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from diccae.plans import Plan, load_plan
from diccae.reporting.listed_files import is_intact, root_digest
from diccae.reporting.shard_folder import other_plan
from diccae.run_graph import Run
from diccae.seals.extras import check_extras
from diccae.seals.file_digests import FileDigests
from diccae.seals.page import NO_ROOT, is_page, page_digest
from diccae.seals.record import read_object
from diccae.seals.runs import Checked, check_copies
from diccae.seals.seal import (
    changes,
    check_counts,
    plan_content,
    read_seal,
    seal_text,
    sealed_files,
)


@pytest.fixture
def controls(tmp_path: Path) -> Plan:
    """The plan of the controls in an empty folder."""
    return load_plan("controls").at(tmp_path)


def write_seal(plan: Plan, **values: Any) -> None:
    """A verify.json with its root digest."""
    content = {"plan": plan.name, "sealed": True, "findings": [], "tables": 4, "runs": 240}
    content |= {"not_built": [], "not_checked": [], "timing": [], "plan_content": {}}
    content |= {"reporting_code": "0" * 16, "files": {}} | values
    path = plan.results_root() / "verify.json"
    path.write_text(seal_text(content | {"root": root_digest(content)}))


def test_a_picture_of_a_table_without_one_is_not_sealed(controls: Plan) -> None:
    root = controls.results_root()
    for name in ("controls.csv", "controls.svg", "interim.html"):
        (root / name).write_text("99.9 %")
    files = sealed_files(controls, ["controls"], {}, FileDigests())
    assert list(files) == [str(root / "controls.csv")]
    assert [finding.where for finding in check_extras(controls, files)] == [
        str(root / "controls.svg"),
        str(root / "interim.html"),
    ]


def test_counts_of_a_seal_are_those_of_the_files(controls: Plan) -> None:
    write_seal(controls, runs=2400, not_built=["claims"])
    seal, found = read_seal(controls)
    assert seal is not None
    assert found == []
    now = {"tables": 4, "runs": 240, "not_built": []}
    assert [str(each) for each in check_counts(seal, now)] == [
        f"edited: {seal.path}, runs: says 2400, these files give 240; copy that of these results "
        "here",
        f"edited: {seal.path}, not_built: says ['claims'], these files give []; copy that of these "
        "results here",
    ]
    assert len(check_counts(seal, now, {"not_built"})) == 1
    assert check_counts(seal, dict(seal.content)) == []


def test_every_key_of_a_seal_is_in_its_root_digest(controls: Plan) -> None:
    write_seal(controls)
    content = read_object(controls.results_root() / "verify.json")
    assert is_intact(content)
    for key in content:
        assert not is_intact(content | {key: "another"}), key


def test_a_number_of_seeds_is_advised_where_the_seal_is_of_the_first_ones(controls: Plan) -> None:
    whole = controls.first_seeds(len(controls.seeds))
    for seeds, advised in ((whole.seeds[:4], True), (whole.seeds[1:5], False)):
        write_seal(controls, plan_content=plan_content(whole) | {"seeds": seeds})
        changed, (finding,) = changes(read_seal(controls)[0], whole)
        assert changed == "the plan changed: "
        assert finding.message.endswith("with --seeds 4") == advised


@pytest.mark.parametrize(("sealed", "problem"), [(True, True), (False, False)])
def test_a_seal_says_what_its_findings_say(controls: Plan, sealed: bool, problem: bool) -> None:
    finding = {"kind": "stale", "where": "x", "message": "y", "problem": problem}
    write_seal(controls, sealed=sealed, findings=[finding])
    words = "it says sealed beside problems, or not sealed without one"
    assert [each.message for each in read_seal(controls)[1]] == [words]
    write_seal(controls, sealed=not sealed, findings=[finding])
    assert read_seal(controls)[1] == []


def test_a_page_that_shows_zeros_is_not_that_of_its_seal() -> None:
    root = "1" * 64
    page = f'<p>Digest <code id="root">{root}</code></p>'
    digest = page_digest(page, root)
    assert is_page(page, root, digest)
    zeros = page.replace(root, NO_ROOT)
    assert page_digest(zeros, root) == digest
    assert not is_page(zeros, root, digest)


def test_seeds_that_shards_do_not_state_are_said_to_be_left_out(controls: Plan) -> None:
    assert other_plan(controls) == ""
    # fewer seeds of the whole plan are asked for, or the shards state no more of them
    assert other_plan(controls.first_seeds(8)) == ""
    stated = controls.model_copy(update={"seeds": controls.seeds[:8]})
    assert other_plan(stated).startswith("its shards state the seeds 200, 201, ")
    assert other_plan(stated).endswith("210, 211: seeds may have been left out")
    assert other_plan(stated.model_copy(update={"name": "of-nobody"})) == ""


def test_a_seed_that_is_a_copy_of_another_one_is_named(controls: Plan) -> None:
    def checked(*digests: str) -> dict[Run, Checked]:
        runs = (Run(controls, "finetune", "full", seed, "AV") for seed in controls.seeds)
        records: list[dict[str, Any]] = [{"files": {"predictions.parquet": d}} for d in digests]
        pairs = zip(runs, records, strict=False)
        return {run: Checked(record, str(run.seed)) for run, record in pairs}

    assert check_copies(checked("a", "b", "c")) == []
    assert [str(each) for each in check_copies(checked("a", "b", "a"))] == [
        "edited: 202: predictions.parquet is that of seed 200 to the byte: one is a copy"
    ]
