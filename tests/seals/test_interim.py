"""The page while a plan is computed: progress and means, without intervals and verdicts."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from diccae.functional import verdicts
from diccae.interim import write_interim
from diccae.plans import SEEDS_ASKED, Plan
from diccae.reporting import collect, interim_page
from diccae.seals.finding import Finding
from diccae.seals.verify import verify
from tests.seals.conftest import ROOT

PAGE = ROOT / "interim.html"
VERDICTS = [
    word for name, word in vars(verdicts).items() if name.isupper() and isinstance(word, str)
]


@pytest.fixture
def asked(sealed: Plan, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A plan with four seeds, of which the first is complete and the second has begun."""
    monkeypatch.delenv(SEEDS_ASKED, raising=False)
    shutil.rmtree(ROOT / "runs/no_confusion_loss/seed1")
    return sealed.model_copy(update={"seeds": [0, 1, 2, 3]})


def test_the_first_complete_seed_gives_means_and_progress(asked: Plan) -> None:
    before = (ROOT / "report.html").read_bytes()
    # the job of a seed that is not complete
    write_interim(asked, 1)
    assert not PAGE.exists()
    write_interim(asked, 0)
    page = PAGE.read_text()
    assert "<h1>Interim: 1 of 4 seeds, no verdict yet</h1>" in page
    text = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)
    assert re.findall(r"(\d+) +2 +2 ", text)[:1] == ["0"]
    assert re.findall(r"(\d+) +1 +2 ", text)[:1] == ["1"]
    mean = collect.accuracy(asked, "full", "AV", seeds=[0])[0]
    assert re.search(rf"full +{mean:.1f} ", text)
    assert "CONFIRMED" in vars(verdicts)
    assert len(VERDICTS) > 5
    assert not [word for word in VERDICTS if word in text]
    # neither an interval nor a band
    assert not re.search(r"\[|±| to \d", text)
    assert (ROOT / "report.html").read_bytes() == before


def test_before_a_seed_is_complete_the_first_one_gives_its_finished_variants(asked: Plan) -> None:
    shutil.rmtree(ROOT / "runs/no_confusion_loss/seed0")
    write_interim(asked, 1)
    assert not PAGE.exists()
    write_interim(asked, 0)
    text = re.sub(r"<style>.*?</style>|<[^>]+>", " ", PAGE.read_text(), flags=re.DOTALL)
    assert "Interim: 0 of 4 seeds, no verdict yet" in text
    assert "those of seed 0 alone, and of the variants that are finished with it" in text
    mean = collect.accuracy(asked, "full", "AV", seeds=[0])[0]
    assert re.search(rf"full +{mean:.1f} ", text)
    assert "no_confusion_loss" not in text


def test_the_number_of_seeds_that_is_asked_for(
    asked: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SEEDS_ASKED, "1")
    write_interim(asked, 0)
    assert "Interim: 1 of 1 seed, no" in PAGE.read_text()
    PAGE.unlink()
    # as for a shard of a seed beyond those
    shutil.copytree(ROOT / "runs/no_confusion_loss/seed0", ROOT / "runs/no_confusion_loss/seed1")
    write_interim(asked, 1)
    assert not PAGE.exists()


def test_runs_of_other_configs_do_not_count(
    asked: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = asked.overrides | {"schedule.finetune.epochs": 3}
    write_interim(asked.model_copy(update={"overrides": overrides}), 0)
    assert not PAGE.exists()
    # an error would be printed
    assert capsys.readouterr().out == ""


def test_a_page_that_cannot_be_made_leaves_the_old_one_and_fails_no_job(
    asked: Plan, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_interim(asked, 0)
    before = PAGE.read_bytes()
    (ROOT / "runs/full/seed0/finetune/AV/metrics.json").write_text("{")
    write_interim(asked, 0)
    assert "the interim page of plan small is not written: " in capsys.readouterr().out
    assert PAGE.read_bytes() == before
    assert sorted(path.name for path in ROOT.glob(".*")) == []


def test_a_seed_in_a_shard_is_complete_and_the_page_is_no_part_of_the_results(
    sealed: Plan,
    exported: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(SEEDS_ASKED, raising=False)
    for folder in ROOT.glob("runs/*/seed1"):
        shutil.rmtree(folder)
    (ROOT / "shards").mkdir()
    shutil.copy(exported / "seed1.npz", ROOT / "shards")
    write_interim(sealed, 0)
    page = PAGE.read_text()
    assert "Interim: 2 of 2 seeds" in page
    text = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)
    first, second = collect.accuracy(sealed, "full", "AV")
    assert f"{first:.1f}" != f"{(first + second) / 2:.1f}"
    assert re.search(rf"full +{(first + second) / 2:.1f} ", text)
    assert interim_page.interim_path(sealed) == PAGE
    found = [str(Finding(**each)) for each in verify(sealed)["findings"]]
    assert not [each for each in found if "interim" in each]
