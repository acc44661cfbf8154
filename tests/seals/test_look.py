"""`diccae look`: the page of a folder of shards, without the packages that train or verify."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from diccae.cli.main import app
from diccae.errors import UserError
from diccae.reporting import html
from diccae.reporting.look import seeds_to_show
from diccae.reporting.shard_folder import plan_of_shards
from diccae.seals import seal
from diccae.seals.page import shown_root
from diccae.seals.verify import verify
from tests.seals.conftest import run
from tests.workflow_copy import ROOT

HEAVY = (
    *("torch", "faiss", "mmengine", "mmaction", "sklearn", "av", "cv2", "snakemake"),
    # which import them, and may be loaded already
    *("diccae.functional.cluster_quality", "diccae.reporting.sample_clips"),
)
PAGE = Path("build/look/small/report.html")


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """An import of a large package fails."""
    for name in HEAVY:
        monkeypatch.setitem(sys.modules, name, None)


def refusal(*words: str) -> str:
    result = CliRunner().invoke(app, ["look", *words])
    assert isinstance(result.exception, UserError)
    return str(result.exception)


@pytest.mark.usefixtures("light")
def test_the_page_is_written_elsewhere_with_light_packages_alone(lab: Path) -> None:
    before = sorted(lab.iterdir())
    said = run("look", "--results", str(lab))
    assert said.splitlines() == [
        "Plan small, 2 seeds, from shards; not verified; with all packages: diccae verify "
        "--results shards",
        f"Page: {PAGE.resolve()}",
    ]
    assert sorted(lab.iterdir()) == before
    assert "These results have no root digest yet." in PAGE.read_text()


def test_the_seeds_of_the_page(lab: Path) -> None:
    whole = plan_of_shards(lab).at(lab)
    assert seeds_to_show(whole).seeds == [0, 1]
    (lab / "seed1.npz").unlink()
    assert seeds_to_show(whole).seeds == [0]
    more = whole.model_copy(update={"seeds": [0, 1, 2], "default_seeds": 1})
    assert seeds_to_show(more).seeds == [0]
    with pytest.raises(UserError, match="^shards/seed1.npz is missing"):
        seeds_to_show(more, 2)


def test_a_page_that_was_verified_is_the_same_page_also_under_later_code(
    lab: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run("report", "--results", str(lab))
    sealed = (lab / "report.html").read_bytes()
    root = json.loads((lab / "verify.json").read_text())["root"]
    assert f"as verified, root digest {root}" in run("look", "--results", str(lab))
    assert PAGE.read_bytes() == sealed
    # an edited verify.json is not shown
    written = (lab / "verify.json").read_text()
    (lab / "verify.json").write_text(written.replace('"runs": 8,', '"runs": 800,'))
    assert "not verified" in run("look", "--results", str(lab))
    (lab / "verify.json").write_text(written)
    # verify.json is of both seeds
    assert "not verified" in run("look", "--results", str(lab), "--seeds", "1")
    assert shown_root(PAGE.read_text()) is None
    # a page may be kept with its shards, as that of the reference is
    monkeypatch.setattr(html, "MIN_SEEDS", 99)
    monkeypatch.setattr(seal, "reporting_code", lambda: "0" * 16)
    found = verify(plan_of_shards(lab).at(lab))
    notes = [each for each in found["findings"] if each["where"] == "shards/report.html"]
    assert [note["problem"] for note in notes] == [False]
    assert "the code of tables and page changed" in notes[0]["message"]
    words = "shards/report.html: other code rendered it, so its numbers were not compared"
    assert found["not_checked"][-1] == words
    assert found["sealed"]


def test_folders_that_cannot_be_shown_are_one_sentence(lab: Path) -> None:
    assert refusal().startswith("results/reference/embedded has no shard yet, so there is no ref")
    assert refusal("--plan", "smoke", "--results", str(lab)) == (
        "shards has shards of plan small, wanted smoke; name another folder with --results, or "
        "omit --plan"
    )
    path = lab / "seed0.npz"
    content = path.read_bytes()
    path.write_bytes(content[:1000])
    assert refusal("--results", str(lab)).startswith("shards/seed0.npz is damaged")
    path.unlink()
    assert refusal("--results", str(lab)) == (
        "shards has no shard of seed 0, the first one of plan small, but of 1; copy it there"
    )
    shutil.rmtree(lab)
    assert refusal("--results", str(lab)) == "shards is not there; name a folder of shards"


def test_the_committed_page_is_small_and_of_the_seal_beside_it() -> None:
    page = ROOT / "results" / "reference" / "embedded" / "report.html"
    if not page.is_file():
        pytest.skip("the page is kept when all shards are there")
    assert page.stat().st_size < 6_000_000
    verdict = json.loads(page.with_name("verify.json").read_text())
    assert shown_root(page.read_text()) == verdict["root"]
