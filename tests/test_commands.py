"""Every command in README and docs, as written. A new command is found without being listed: it
must be one that is checked here, or its program is named with the reason why it is not run."""

from __future__ import annotations

import argparse
import ast
import builtins
import re
import subprocess
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from snakemake.cli import get_argument_parser
from typer.main import get_command

from diccae.cli.main import app
from diccae.cli.train import wanted_runs
from diccae.plans import load_plan
from diccae.snakemake_request import changed_values, number_of_seeds
from tests.documents import ON_RESULTS, ROOT, Command, example_plan, in_blocks, in_sentences

BLOCKS = in_blocks()
CHECKED = {"diccae", "snakemake", "make", "python", "pytest", "pip"}
BROWSER = "needs Node and Chromium, see tests/browser"
NOT_RUN = {
    "apptainer": "needs Apptainer; tests/test_apptainer.py compares its recipe with the Dockerfile",
    "cd": BROWSER,
    "conda": "needs a conda channel; tests/test_lock.py compares environment.yml with the lock",
    "docker": "needs a Docker engine; what the container runs is checked",
    "export": "a builtin of the shell",
    "git": "clones data sets",
    "hadolint": "was run by hand",
    "kubectl": "needs a Kubernetes cluster",
    "ln": "needs the reader's own folders",
    "mkdir": "makes a folder for Docker",
    "node": BROWSER,
    "npm": BROWSER,
    "on_a_gpu.sh": "needs a GPU, see the page",
    "run.sh": "needs a Slurm cluster or a Docker engine, see the page",
    "scancel": "needs a Slurm cluster",
    "scontrol": "needs a Slurm cluster",
    "shellcheck": "was run by hand",
    "squeue": "needs a Slurm cluster",
    "srun": "needs a Slurm cluster",
    "unrar": "unpacks a data set",
    "unzip": "unpacks a data set",
    "uv": "resolves against a package index",
}
# commands of `diccae` that are parsed, and whose names are looked up, but that are not run here
PARSED = {
    "data cache": "decodes every clip; tests/datasets/clip_cache",
    "data check": "needs a manifest; tests/datasets/ledger",
    "data duplicates": "needs a clip cache; tests/datasets/duplicates",
    "data features": "needs released weights; tests/engine/test_stored_features.py",
    "data lists": "needs the files of a data set; tests/datasets/readers",
    "data manifest": "needs the lists of VGGSound; tests/datasets/readers",
    "data render": "renders every clip; tests/datasets/test_benchmark_rendering.py",
    "doctor": "looks at the whole machine; tests/cli/test_doctor.py",
    "look": "needs a folder of shards; tests/seals/test_look.py",
    "plan": "times the models for a minute; tests/cli/test_plan.py",
    "report": "needs a folder of shards; tests/seals/test_shards.py",
    "summary": "writes into README; tests/reporting/test_summary.py",
    "train": "minutes of training; tests/engine/test_runs.py",
}
# first words of indented blocks that hold no command; a block that begins with a number is output
OTHER_BLOCKS = {
    "args:": "Kubernetes",
    "audio:": "a source of stored features",
    "cli": "the layers of the package",
    "esc50:": "output of diccae data lists",
    "features:": "a section of a plan",
    "method": "a variant",
    "name:": "a plan, with commands behind it",
    "overrides:": "settings of a plan",
    "path,label_name,split": "a list of clips",
    "runtime:": "settings of a plan",
    "table2:": "a section of a plan",
    "slurm_partition:": "settings of a profile",
}
# `key: value`, `--option value`, `path with <a mark>`, `name = value`, `[a, list]`
NO_COMMAND = re.compile(r"\S+:( |$)|-|\S*<|\w+ = |\w+=|#|\[")
SENTENCES = [command for command in in_sentences() if not NO_COMMAND.match(command.text)]
EVERY = [*chain.from_iterable(BLOCKS), *SENTENCES]


def of(program: str) -> list[Command]:
    return [command for command in EVERY if command.program == program]


def test_every_command_is_checked_or_named_with_a_reason() -> None:
    known = CHECKED | NOT_RUN.keys()
    blocks = [
        block
        for block in BLOCKS
        if block[0].program not in OTHER_BLOCKS and not block[0].program.isdecimal()
    ]
    unknown = [c.text for c in [*chain(*blocks), *SENTENCES] if c.program not in known]
    assert unknown == []
    programs = {command.program for command in EVERY}
    assert NOT_RUN.keys() <= programs, "a program with a reason is in no page"
    assert OTHER_BLOCKS.keys() <= {block[0].program for block in BLOCKS}


@pytest.mark.parametrize("command", of("diccae"), ids=lambda command: command.text)
def test_a_diccae_command_is_complete_and_names_what_exists(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("kitchen.yaml").write_text(example_plan())
    for path in (Path(word) for word in command.arguments if word.startswith("media/")):
        (path.parent if path.suffix else path).mkdir(parents=True, exist_ok=True)
        if path.suffix:
            path.touch()
    words = ["kitchen.yaml" if word == "kitchen" else word for word in command.arguments]
    parser: Any = get_command(app)
    if words in ([], ["--help"]):
        return
    context = parser.make_context("diccae", list(words))
    while hasattr(parser, "commands"):
        name, parser, words = parser.resolve_command(context, words)
        if hasattr(parser, "commands"):
            context = parser.make_context(name, list(words), parent=context)
    if not command.alone and all(word.startswith("--") for word in words):
        # a sentence about a command or its options
        assert set(words) <= {"--help", *(name for p in parser.params for name in p.opts)}
        return
    inner = parser.make_context(name, list(words), parent=context)
    given, path = inner.params, inner.command_path.removeprefix("diccae ")
    assert path in ("compose", *ON_RESULTS, *PARSED), f"{path}: neither run nor named with a reason"
    if "plan" in given:
        plan = load_plan(given["plan"] or "embedded")
        if "seeds" in given:
            plan = plan.first_seeds(given["seeds"])
        if name == "train":
            keys = ("variant", "seed", "fold", "stage", "modality")
            _, runs = wanted_runs(plan, *(given[key] for key in keys))
            assert all(run.config_hash for run in runs)
        if name == "compose":
            parser.invoke(inner)
            assert given["out"] is None or given["out"].is_file()


def test_snakemake_knows_every_option() -> None:
    parser = get_argument_parser()
    for command in of("snakemake"):
        options = parser.parse_args(command.arguments)
        # it takes all words that follow, a target too
        given = dict(word.split("=", 1) for word in options.config or ())
        config = {key: yaml.safe_load(value) for key, value in given.items()}
        number_of_seeds(config)
        changed_values(config)
        profile = options.workflow_profile
        assert profile is None or (ROOT / profile / "profile.yaml").is_file(), command.text


def test_make_has_every_target(tmp_path: Path) -> None:
    targets = {word for command in of("make") for word in command.arguments}
    dry_run = ["make", "--dry-run", "--directory", str(ROOT), *sorted(targets), f"VENV={tmp_path}"]
    result = subprocess.run(dry_run, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("command", of("python"), ids=lambda command: command.text)
def test_a_script_takes_the_options_that_it_is_given(command: Command) -> None:
    script, *options = command.arguments
    if "mmaction/.mim/" in script:
        # mmaction2's own
        return
    arguments_of(ROOT / script).parse_args(options)


def arguments_of(script: Path) -> argparse.ArgumentParser:
    """The parser of a script, built without importing what the script imports."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    for node in ast.walk(ast.parse(script.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument":
            names = [ast.literal_eval(name) for name in node.args]
            wanted: dict[str, Any] = {}
            for keyword in node.keywords:
                if keyword.arg == "type" and isinstance(keyword.value, ast.Name):
                    kind = keyword.value.id
                    wanted["type"] = Path if kind == "Path" else getattr(builtins, kind)
                elif keyword.arg in ("action", "nargs", "required", "choices"):
                    wanted[keyword.arg] = ast.literal_eval(keyword.value)
            parser.add_argument(*names, **wanted)
    return parser


def test_every_tested_file_and_every_extra_exists(pytestconfig: pytest.Config) -> None:
    for command in of("pytest"):
        for word in command.arguments:
            if word.startswith("--"):
                pytestconfig.getoption(word)
            else:
                assert (ROOT / word).is_file(), command.text
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for command in of("pip"):
        for name in re.findall(r"\[(\w+)\]", command.text):
            assert name in extras["optional-dependencies"], command.text
