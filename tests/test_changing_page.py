"""docs/changing.md, as it is written: its files in a copy of the workflow, its commands there."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from snakemake.cli import get_argument_parser
from typer.main import get_command

from diccae.cli.main import app
from tests.documents import CHANGING, FENCED, ROOT, blocks, commands
from tests.mini_plan import small_overrides
from tests.workflow_copy import copy_workflow, snakemake

COMMANDS = [
    command for block in blocks(CHANGING) for line in block for command in commands(line, "", True)
]
# names that exist in a copy with the files of the page alone
OWN = ("mine", "triplet")
# runs there, in one process
IN_COPY = """
import json, sys
from pathlib import Path
import torch
from mmaction.registry import MODELS
from mmengine.registry import init_default_scope
from mmengine.utils import import_modules_from_strings
from typer.main import get_command
from diccae.cli.main import app
from diccae.plans import load_plan
from diccae.run_graph import Run, check
from diccae.workflow import Workflow
from tests.systems.composed import random_clips, write_cache_meta

for words in json.loads(sys.argv[1]):
    get_command(app)(words, standalone_mode=False)
flow = Workflow([load_plan("mine")])
check(load_plan("triplet"))
plan = load_plan("tiny")
write_cache_meta(Path(plan.data_root))
run = Run(plan, "finetune", "triplet_wide", 0, "AV")
config = run.config()
init_default_scope("mmaction")
import_modules_from_strings(**config.custom_imports)
config.model.pop("init_cfg", None)
model = MODELS.build(config.model).train()
batch = model.data_preprocessor(random_clips(config, run, 8), True)
losses = model(**batch, mode="loss")
sum(losses.values()).backward()
torch.optim.SGD(model.parameters(), 0.1).step()
print(json.dumps({
    "loss": config.model.supcon.to_dict(),
    "losses": {name: float(value) for name, value in losses.items()},
    "fusion": float(model.fusion[0].weight.grad.abs().sum()),
    "needs": flow.inputs("table2", "results/mine"),
}))
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = copy_workflow(tmp_path_factory.mktemp("checkout"))
    # composing the large plans would take longer than all else here
    for path in (root / "configs" / "plans").glob("*.yaml"):
        if path.stem not in ("embedded", "smoke"):
            path.unlink()
    return root


def write_files(root: Path) -> None:
    """Write the files of the page; the first line of each names its place."""
    for _, text in FENCED.findall(CHANGING.read_text()):
        place = re.match(r"# (\S+)\n", text)
        assert place is not None, text
        path = root / place[1]
        assert not path.exists(), f"{path} would be overwritten"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text[place.end() :])
    content = yaml.safe_load((root / "configs" / "plans" / "triplet.yaml").read_text())
    section = {"variants": ["triplet_wide"], "modalities": ["AV"]}
    content |= {"name": "tiny", "scale": "vggsound", "dataset": "random", "data_root": "tiny"}
    content |= {"seeds": [0], "reference": "triplet_wide", "table2": section}
    # random clips have four classes
    content["overrides"] = small_overrides() | {"data.num_classes": 4}
    del content["default_seeds"]
    (root / "configs" / "plans" / "tiny.yaml").write_text(yaml.safe_dump(content))


def test_one_number_is_planned_beside_the_results_of_the_plan(checkout: Path) -> None:
    command = next(command for command in COMMANDS if "--config" in command.words)
    (target,) = get_argument_parser().parse_args(command.arguments).targets
    own = checkout / target
    own.parent.mkdir(parents=True)
    own.write_text("of the plan\n")
    # the profile's messages hide what each job writes
    result = snakemake(checkout, "--dry-run", "--verbose", *command.arguments[2:])
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    outputs = re.findall(r"^ *output: (.*)", result.stdout, flags=re.MULTILINE)
    changed = f"results/changed/embedded@method.temperature=0.1/{target.removeprefix('results/')}"
    assert changed in CHANGING.read_text()
    runs = {
        f"{Path(changed).parents[1]}/runs/{variant}/seed{seed}/job.json"
        for variant in ("full", "no_infonce")
        for seed in range(200, 204)
    }
    shared = "results/data/embedded"
    data = {
        f"{shared}/manifest.parquet, {shared}/truth.parquet, {shared}/truth.json",
        f"{shared}/cache/meta.json",
    }
    assert set(outputs) == {changed} | runs | data
    assert own.read_text() == "of the plan\n"


def test_the_files_train_and_every_command_is_one(checkout: Path) -> None:
    write_files(checkout)
    run = [words for words in map(list, diccae_words()) if words[0] == "compose"]
    environment = os.environ | {"PYTHONPATH": f"{checkout}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-c", IN_COPY, json.dumps(run)],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["loss"] == {"type": "TripletLoss", "margin": 1.0, "loss_weight": 1.0}
    assert set(found["losses"]) == {"loss_cls", "loss_infonce", "loss_supcon"}
    assert all(math.isfinite(value) and value > 0 for value in found["losses"].values())
    assert found["fusion"] > 0
    assert "results/mine/runs/no_infonce/seed3/job.json" in found["needs"]
    # what the rest of the page names
    for command in COMMANDS:
        if command.program == "snakemake":
            (target,) = get_argument_parser().parse_args(command.arguments).targets
            plan = Path(target).parts[1]
            assert plan in ("ablations", "smoke", *OWN)
        elif command.program == "pytest":
            assert all((ROOT / path).is_file() for path in command.arguments)
        else:
            assert command.program == "diccae", command.text


def diccae_words() -> list[tuple[str, ...]]:
    return [command.words[1:] for command in COMMANDS if command.program == "diccae"]


@pytest.mark.parametrize("words", diccae_words(), ids=" ".join)
def test_a_command_is_complete_and_its_plan_is_read(words: tuple[str, ...]) -> None:
    given = ["smoke" if word in OWN else word for word in words]
    parser: Any = get_command(app)
    context = parser.make_context("diccae", list(given))
    while hasattr(parser, "commands"):
        name, parser, given = parser.resolve_command(context, given)
        if hasattr(parser, "commands"):
            context = parser.make_context(name, list(given), parent=context)
    # reads the plan and its changed values
    parser.make_context(name, list(given), parent=context)
