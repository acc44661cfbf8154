"""The commands of README and docs that read finished results, run as they are written."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from diccae.cli.main import main
from diccae.plans import Plan, load_plan
from tests.documents import ON_RESULTS, ROOT, every_command

SHOWN = {
    command.text: command.arguments
    for command in every_command()
    if command.program == "diccae" and command.arguments[:1] and command.arguments[0] in ON_RESULTS
    # a name in a sentence, without its options
    if command.alone or len(command.arguments) > 1
    # tests/seals/test_shards.py has a folder of shards, tests/audit trained runs
    if not {"--shard", "--results", "--retrain", "--rescore"} & set(command.arguments)
}


@pytest.fixture
def finished(fake: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """The synthetic results in the place of those of the default plan and of the smoke plan."""
    # a folder beside, as another checkout has
    Path("checkout").mkdir()
    for name in ("results", "data", "fake.yaml"):
        Path(name).rename(Path("checkout", name))
    monkeypatch.chdir("checkout")
    # one variant in audio, since comparing every clip of every run takes long
    runs = Path("../other/results/runs")
    shutil.copytree("results/fake", runs.parent, ignore=shutil.ignore_patterns("runs"))
    for folder in Path("results/fake/runs").glob("full/seed*/finetune/A"):
        shutil.copytree(folder, runs / folder.relative_to("results/fake/runs"))
    # its shards are of other seeds than the synthetic results
    without = shutil.ignore_patterns("*.npz")
    shutil.copytree(ROOT / "results" / "reference", "results/reference", ignore=without)
    # a plan that the reference has
    shutil.copytree("results/reference/embedded-first", "results/embedded-first")
    for folder in ("results/smoke", "results"):
        shutil.copytree("results/fake", folder, dirs_exist_ok=True)
        shutil.copy(ROOT / "results/reference/embedded-first/table1.csv", folder)
        Path(folder, "report.html").touch()

    def load(name: str) -> Plan:
        return load_plan("fake.yaml").model_copy(update={"name": name})

    for module in ("options", "export"):
        monkeypatch.setattr(f"diccae.cli.{module}.load_plan", load)


@pytest.mark.parametrize("command", SHOWN)
def test_a_documented_command_runs_on_finished_results(
    command: str,
    finished: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["diccae", *SHOWN[command]])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    # 1: the tables differ, or the synthetic results are not sealed
    assert ended.value.code in (0, 1), said.err
    assert said.out.strip()
