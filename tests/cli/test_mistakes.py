"""Mistakes on the command line: one sentence and exit code 2, never a traceback."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from diccae.artifacts import TABLES
from diccae.cli.main import app, main
from diccae.clips_hash import clips_hash
from diccae.errors import UserError
from diccae.plans import load_plan

PREDICTIONS = "vggsounder --predictions list.csv --plan smoke"
CLIPS = "data lists plain_csv --lists list.csv --media ."
MISTAKES = {
    "tabel1": "Did you mean 'table1'",
    "data chek": "Did you mean 'check'",
    "table1 --plna smoke": "--plan",
    "table1 --seeds 0": "--seeds",
    "table1 --seeds many": "--seeds",
    "table1 --plan smoke --seeds 9": "plan smoke has 2 seeds, got 9",
    "table1 --seeds 13": "plan embedded has 12 seeds, got 13; name a number from 1 to 12",
    "table1 --plan smok": "did you mean 'smoke'? Known plans: ",
    "table1 --plan no.yaml": "plan 'no.yaml' not found at no.yaml; known plans",
    "table1 --plan folder.yaml": "plan 'folder.yaml' not found",
    "table1 --plan binary.yaml": "binary.yaml: not valid YAML",
    "table1 --plan smoke": "predictions.parquet is missing; run `diccae train --plan smoke",
    "tuning": "plan embedded has no artifact 'tuning'; it has: table1",
    "ablation no_infonc": "no ablation 'no_infonc' in table2; did you mean 'no_infonce'?",
    "ablation nope": "no ablation 'nope' in table2; it has: no_confusion_loss",
    "ablation rank --plan smoke": "no ablation 'rank' in table2 (it is in sensitivity)",
    "system mbtt": "no system 'mbtt' in table1; did you mean 'mbt'?",
    "report --plan smoke": "is missing; run `diccae train --plan smoke",
    "verify --plan smoke": "results/smoke holds no table",
    "compare nope results": "nope",
    "summary --wrte": "--write",
    "compare --tolerance nan": "--tolerance",
    "export --plan smoke": "--out: name the zip file to write, such as --out results.zip",
    "export --shard": "--shard: name the seed as well, such as --seed 200",
    "export --seed 1 --out x.zip": "--seed 1: a crate holds several seeds; add --shard, or omit it",
    "export --shard --seed 0 --out x.zip": "wanted the name of a file that ends in .npz",
    "export --shard --seed 99 --seeds 2": "--seeds 2: a shard holds one seed; omit it",
    "export --shard --seed 99": "plan embedded has no seed 99; it has 200, 201",
    "report --results nowhere": "nowhere is not there; name a folder of shards",
    "verify --plan smoke --results nowhere": "nowhere/seed200.npz is missing (and 1 more): plan",
    "export --plan smoke --out x.zip": "results/smoke/report.html is missing",
    "plan --gpus 0": "--gpus",
    "plan --plan kitchn": "plan 'kitchn' not found",
    "doctor --plan smok": "did you mean 'smoke'?",
    "compose": "Missing option '--variant'",
    "compose --variant ful": "unknown variant 'ful'; did you mean 'full'? Known variants: ",
    "compose --variant warmup": "unknown variant 'warmup'; known variants: ",
    "compose --variant fixed_weight": "needs a value in its name, for example fixed_weight@w=4",
    "compose --variant full@lr": "full@lr': wanted a number after the name of a parameter",
    "compose --variant full@q=1": "no parameter 'q'",
    "compose --variant full@lr=-1": "stages.finetune.lr",
    "compose --variant full --stage finetun": "did you mean 'finetune'? Its stages: warmup",
    "compose --variant from_scratch": "has no stage 'pretrain'; its stages: finetune",
    "compose --variant full --modality av --stage finetune": "'A', 'V'",
    "compose --variant full --modality A": "stage pretrain of plan embedded is trained in AV",
    "train --plan smoke --variant no_infonce": "does not score variant 'no_infonce'; name",
    "train --plan smoke --variant no_infonc": "did you mean 'no_infonce'?",
    "train --plan smoke --variant full --seed -1": "--seed",
    "data render --plan vggsound": "nothing to render; its clips come from its lists",
    "data render --jobs 0": "--jobs",
    "data manifest": "Missing option '--plan'",
    "data manifest --plan smoke": "its clips are rendered: diccae data render --plan smoke",
    "data manifest --plan vggsound": "5 of 5 list files are missing",
    "data features --plan smoke": "plan smoke has no section features; add it to the overrides",
    "data features --plan smoke --shard 17/16": "--shard 17/16: wanted k/n with k from 1 to n",
    "data features --plan vggsound-frozen": "features.audio.weights: there is no file media/",
    "data duplicates --plan smoke": "run `diccae data cache --plan smoke` first",
    "look --plan smok": "did you mean 'smoke'?",
    "look --results nowhere": "nowhere is not there; name a folder of shards",
    "data cache --plan vggsound": "run `diccae data manifest --plan vggsound` first",
    "data lists plain_csc --lists list.csv --media . --out m.parquet": "plain_csc",
    "data lists plain_csv --lists no.csv --media . --out m.parquet": "the list cannot be read",
    "data lists plain_csv --lists folder.yaml --media . --out m.parquet": "folder.yaml",
    "data lists plain_csv --lists list.csv --media no --out m.parquet": "--media",
    "data lists plain_csv --lists list.csv --media list.csv --out m.parquet": "--media",
    f"{CLIPS} --out m.parquet --classes no": "no: the list cannot be read",
    f"{CLIPS} --out m.parquet --exclude-vggsound-test no": "no: the list cannot be read",
    "data combine no.parquet --out c.parquet": "no.parquet: no manifest can be read there",
    "data combine list.csv --out c.parquet": "list.csv: no manifest can be read there",
    "data check --manifest no --out l.parquet": "no: there is no manifest",
    "data check --manifest list.csv --out l.parquet": "list.csv",
    "data check --manifest no --out l.parquet --max-unusable 2": "--max-unusable",
    f"{PREDICTIONS} --out s.csv": "manifest.parquet is missing",
}
# a command with everything but --out, and the suffix that its file must have
OUTPUTS = {
    "table1": ".csv",
    "ablation no_infonce": ".csv",
    "report": ".html",
    "verify": ".json",
    "export": ".zip",
    "compose --variant full": ".py",
    CLIPS: ".parquet",
    "data combine m.parquet": ".parquet",
    "data check --manifest m.parquet": ".parquet",
    PREDICTIONS: ".csv",
}


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # noqa: ANN201
    """A function that runs a command in a folder of unfit files and returns what it was told."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "binary.yaml").write_bytes(b"name: \xff\xfe")
    (tmp_path / "list.csv").write_text("path,label_name,split\na.mp4,chop,train\n")

    def call(command: str) -> str:
        monkeypatch.setattr(sys, "argv", ["diccae", *shlex.split(command)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        # the boxes around the messages of the command line parser break lines
        return " ".join(capsys.readouterr().err.replace("│", " ").split())

    return call


@pytest.mark.parametrize("command", MISTAKES)
def test_a_mistake_is_answered_in_one_sentence(refused, command: str) -> None:  # noqa: ANN001
    assert MISTAKES[command] in refused(command)


@pytest.mark.parametrize("command", OUTPUTS)
def test_a_file_that_cannot_be_written_is_refused_before_any_work(refused, command: str) -> None:  # noqa: ANN001
    suffix = OUTPUTS[command]
    wanted = f"wanted the name of a file that ends in {suffix}"
    assert wanted in refused(f"{command} --out .")
    assert wanted in refused(f"{command} --out ''")
    assert wanted in refused(f"{command} --out x.txt")
    assert "list.csv/x" in refused(f"{command} --out list.csv/x{suffix}")
    assert "it cannot be written" in refused(f"{command} --out /proc/x{suffix}")


def test_every_command_is_tried() -> None:
    commands: Any = get_command(app)
    names = [f"data {name}" for name in commands.commands["data"].commands]
    # tables and figures share one function
    alike = {artifact.command for artifact in TABLES} - {"table1"}
    names += [name for name in commands.commands if name not in alike]
    assert [name for name in names if not any(line.startswith(name) for line in MISTAKES)] == []


def test_a_missing_manifest_is_answered_with_the_command_that_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for plan, step in (("smoke", "render"), ("vggsound", "manifest")):
        with pytest.raises(UserError, match=f"run `diccae data {step} --plan {plan}` first"):
            clips_hash(load_plan(plan))
