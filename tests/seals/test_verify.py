"""`diccae verify` on a whole results folder: what was edited, deleted or added is named."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from diccae.cli.main import app
from diccae.errors import UserError
from diccae.hashes import file_hash
from diccae.plans import Plan
from diccae.reporting import html, sample_clips
from diccae.reporting.listed_files import root_digest
from diccae.seals.data import check_data
from diccae.seals.finding import Finding
from diccae.seals.seal import seal_text
from diccae.seals.verify import verify
from tests.seals.conftest import ROOT, build, edit_record

RUN = ROOT / "runs/no_confusion_loss/seed1/finetune/AV"
TABLE, PAGE, SEAL = ROOT / "table2.csv", ROOT / "report.html", ROOT / "verify.json"


def problems(plan: Plan) -> list[str]:
    return [str(Finding(**finding)) for finding in verify(plan)["findings"]]


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_untouched_results_are_sealed_and_the_same_files_give_the_same_seal(sealed: Plan) -> None:
    verdict = verify(sealed)
    assert verdict["findings"] == []
    assert verdict["sealed"]
    assert verdict["not_built"] == []
    assert verdict["root"] == json.loads(SEAL.read_text())["root"]
    assert f'<code id="root">{verdict["root"]}</code>' in PAGE.read_text()
    assert verdict["not_checked"][0] == (
        "kernels, hardware, started, compute, wall_seconds, cpu_seconds, peak_rss_mb of every "
        "record"
    )
    assert seal_text(verify(sealed, sealing=True)) == SEAL.read_text()


def test_edits_of_tables_and_page_are_named(sealed: Plan) -> None:
    table = pd.read_csv(TABLE, dtype=str, keep_default_na=False)
    true = table.loc[1, "top1"]
    table.loc[1, ["top1", "paper"]] = ["99.0000", ""]
    table.to_csv(TABLE, index=False)
    csv = ROOT / "figure2.csv"
    csv.write_bytes(csv.read_bytes().replace(b"\n", b"\r\n"))
    replace(ROOT / "figure2.svg", "<svg", "<svg data-touched='1'")
    page = PAGE.read_text()
    cell = re.search(r"no_confusion_loss</a></th><td>A-V</td><td class=\"n\">([0-9.]+) ", page)
    verdict = re.search(r">Table 1</td><td [^>]*class=\"v [a-z]+\">([^<]+)</td>", page)
    assert cell is not None
    assert verdict is not None
    replace(PAGE, cell[0], cell[0].replace(cell[1], "99.0"))
    replace(PAGE, verdict[0], verdict[0].replace(verdict[1], "reproduced"))
    replace(PAGE, "nothing selected on the test split", "the best epoch on the test split")
    found = problems(sealed)
    row = f"edited: {TABLE}, variant no_confusion_loss, modality AV"
    assert found[:2] == [
        f"{row}, top1: says 99.0000, the runs give {true}",
        f"{row}, paper: says nothing, the runs give 63.1000",
    ]
    assert found[2] == (
        f"edited: {csv}: bytes differ from what the runs give, values are equal; build it again"
    )
    assert found[3].startswith(f"edited: {ROOT}/figure2.svg: it is not what the runs give now")
    section = "Table 2: the method without its parts"
    row = f"edited: {PAGE}, {section}: row 'no_confusion_loss': says '99.0 "
    assert found[4].startswith(row)
    assert found[5].startswith(f"edited: {PAGE}, Claims: row ")
    assert found[5].endswith(f"says 'reproduced', the runs give {verdict[1]!r}")
    assert found[6].startswith(f"edited: {PAGE}, This run: row 'Protocol': says ")
    assert len(found) == 7


def test_what_is_gone_is_missing(sealed: Plan) -> None:
    stamp, page = RUN.parents[1] / "job.json", PAGE.read_bytes()
    for path in (PAGE, TABLE, stamp):
        path.unlink()
    assert problems(sealed) == [
        f"missing: {stamp}: is gone; {SEAL} lists it",
        f"missing: {TABLE}: is gone; build it again",
        f"missing: {PAGE}: is gone; {SEAL} lists it",
    ]
    SEAL.unlink()
    PAGE.write_bytes(page)
    verdict = verify(sealed)
    gone = {"where": str(SEAL), "message": "is gone; the page shows its root digest"}
    assert any(gone.items() <= finding.items() for finding in verdict["findings"])
    assert verdict["not_built"] == ["table2"]
    assert verdict["root"] is None


def test_who_repairs_the_nearest_digest_is_found_by_the_root(sealed: Plan) -> None:
    predictions = pd.read_parquet(RUN / "predictions.parquet")
    predictions["top1"] = predictions["label"]
    predictions.to_parquet(RUN / "predictions.parquet", index=False)
    stated = json.loads((RUN / "metrics.json").read_text())
    for split in stated["accuracy"].values():
        split.update(top1_single=100.0, top1_multi=100.0)
    (RUN / "metrics.json").write_text(json.dumps(stated))
    files = {path.name: file_hash(path) for path in RUN.iterdir() if path.name != "record.json"}
    edit_record(RUN, lambda record: record.update(files=files))
    kept = SEAL.read_bytes(), PAGE.read_bytes()
    build(sealed)
    # who makes everything again is found by the root digest alone
    assert problems(sealed) == []
    root = json.loads(SEAL.read_text())["root"]
    assert root != json.loads(kept[0])["root"]
    SEAL.write_bytes(kept[0])
    found = problems(sealed)
    for path in (RUN / "predictions.parquet", RUN / "metrics.json", RUN / "record.json", TABLE):
        assert any(line.startswith(f"edited: {path}: is not the file that") for line in found)
    assert any(line.startswith(f"edited: {PAGE}, ") and root in line for line in found)


def test_an_edited_seal_is_named(sealed: Plan) -> None:
    content = json.loads(SEAL.read_text())
    forged = content | {"files": content["files"] | {str(TABLE): "0" * 64}}
    SEAL.write_text(seal_text(forged))
    assert problems(sealed) == [
        f"edited: {SEAL}: its content does not have the root digest that it states",
        f"edited: {SEAL}, {TABLE}: lists another digest than the file has: one of both was edited",
    ]
    # the root digest repaired as well: the page shows the true one
    SEAL.write_text(seal_text(forged | {"root": root_digest(forged)}))
    found = problems(sealed)
    assert any(line.startswith(f"edited: {TABLE}: is not the file that {SEAL}") for line in found)
    assert any(line.startswith(f"edited: {PAGE}, ") for line in found)
    SEAL.write_text("{}")
    with pytest.raises(UserError, match="is not a file that this version of `diccae verify` writ"):
        html.write_report(sealed, PAGE)
    assert problems(sealed)[0].startswith(f"edited: {SEAL}: keys: plan: Field required | ")


def test_files_that_are_not_of_the_plan(sealed: Plan) -> None:
    (RUN / "predictions.csv").write_text("1")
    (ROOT / "table9.csv").write_text("1")
    for folder in ("runs/old/seed0", "runs/old/seed1"):
        (ROOT / folder).mkdir(parents=True)
        (ROOT / folder / "history.csv").write_text("1")
    assert problems(sealed) == [
        f"extra: {RUN}/predictions.csv: is not a file of this run",
        f"note: {ROOT}/runs/old: files that are not of this plan: 2, "
        f"such as {ROOT}/runs/old/seed0/history.csv",
        f"note: {ROOT}/table9.csv: is not a file of this plan",
    ]


def test_results_of_all_seeds_are_named_where_fewer_are_asked_for(sealed: Plan) -> None:
    found = problems(sealed.first_seeds(1))
    assert found[0].endswith(
        "seeds was [0, 1], is [0]; build the results again, or check the seeds of that file with "
        "--seeds 2"
    )
    # the runs of the other seed are the plan's too
    assert not any("seed1" in line and line.startswith("extra") for line in found)


def test_a_changed_plan_makes_results_stale_and_not_edited(sealed: Plan) -> None:
    found = problems(sealed.model_copy(update={"seeds": [0, 1, 2]}))
    assert found[0] == (
        f"stale: plan small: the plan changed since {SEAL} was written: "
        "seeds was [0, 1], is [0, 1, 2]; build the results again, "
        "or check the seeds of that file with --seeds 2"
    )
    words = ": the plan changed: it cannot be computed again: "
    assert any(line.startswith(f"stale: {TABLE}{words}") for line in found)
    reasons = [line.split(words)[1] for line in found if words in line]
    of_others = [reason for reason in reasons if reason.startswith("for the same reason as ")]
    causes = [reason for reason in reasons if reason not in of_others]
    assert of_others
    assert any("seed2" in cause for cause in causes)
    assert len(set(causes)) == len(causes)
    # the runs of the new seed, and nothing else
    assert all("seed2" in line for line in found if not line.startswith("stale"))
    section = sealed.table2.model_copy(update={"variants": ["full"]})  # type: ignore[union-attr]
    found = problems(sealed.model_copy(update={"table2": section}))
    assert f"stale: {TABLE}: the plan changed: it is not what the runs give now" in found[1]
    assert all(line.startswith(("stale", "note")) for line in found)


def test_missing_data_and_an_empty_folder(sealed: Plan) -> None:
    (sealed.cache_dir / "meta.json").unlink()
    (finding,) = check_data(sealed, False, lambda path: False)
    assert (finding.kind, finding.where) == ("data", f"{sealed.cache_dir}/meta.json")
    shutil.rmtree("results")
    with pytest.raises(UserError, match="holds no table of plan small; build one first"):
        verify(sealed)


def test_the_command_prints_the_root_and_makes_a_new_seal(sealed: Plan) -> None:
    root = json.loads(SEAL.read_text())["root"]
    command = ["verify", "--plan", "small.yaml"]
    TABLE.write_text(TABLE.read_text() + "\n")
    told = CliRunner().invoke(app, command)
    assert told.exit_code == 1
    assert "plan small: NOT sealed; 12 tables and figures recomputed from" in told.output
    assert "\nstated, not checked: kernels, hardware, started, compute, " in told.output
    assert f"{SEAL}: {root}, which is not that of these files\n" in told.output
    told = CliRunner().invoke(app, [*command, "--out", str(SEAL)])
    assert told.exit_code == 0
    anew = json.loads(SEAL.read_text())
    assert anew["sealed"] is False
    assert anew["root"] in told.output
    assert anew["root"] != root


def test_a_page_of_tables_that_were_edited_does_not_say_verified(sealed: Plan) -> None:
    html.write_report(sealed, PAGE)
    assert "<b>Verified.</b>" in PAGE.read_text()
    kept = TABLE.read_text()
    TABLE.write_text(kept.replace("65.5000", "95.5000"))
    assert TABLE.read_text() != kept
    html.write_report(sealed, PAGE)
    assert "<b>Not verified yet.</b>" in PAGE.read_text()
    TABLE.write_text(kept)
    picture = (ROOT / "figure2.svg").read_text()
    replace(ROOT / "figure2.svg", "<svg", "<svg data-touched='1'")
    html.write_report(sealed, PAGE)
    assert "<b>Not verified yet.</b>" in PAGE.read_text()
    (ROOT / "figure2.svg").write_text(picture)
    replace(SEAL, '"runs": 8,', '"runs": 800,')
    html.write_report(sealed, PAGE)
    assert "<b>Not verified yet.</b>" in PAGE.read_text()


def test_a_page_without_a_seal_says_so(sealed: Plan) -> None:
    root = json.loads(SEAL.read_text())["root"]
    SEAL.unlink()
    html.write_report(sealed, PAGE)
    assert "These results have no root digest yet" in PAGE.read_text()
    assert root not in PAGE.read_text()
    assert problems(sealed) == []


def test_clips_that_are_not_here_as_then_are_a_note(
    sealed: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = {"name": "class 0", "id": "a", "strip": "data:,"}
    clip |= dict.fromkeys(["video", "spectrogram", "sound"])
    monkeypatch.setattr(sample_clips, "sample_clips", lambda plan: [clip])
    (note,) = problems(sealed)
    assert note.startswith(f"note: {PAGE}: its pictures of clips were not rendered again")


def test_what_cannot_be_rendered_is_not_sealed(sealed: Plan) -> None:
    Path("data/truth.json").write_text("{")
    verdict = verify(sealed, sealing=True)
    assert not verdict["sealed"]
    assert str(PAGE) not in verdict["files"]
    assert any(
        finding["where"] == str(PAGE) and finding["message"].startswith("cannot be rendered: ")
        for finding in verdict["findings"]
    )
