"""Examples, commands and files in README and docs."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from diccae.datasets.readers import plain_csv
from diccae.plans import load_plan
from diccae.run_graph import check
from tests.documents import example_plan

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
DATA = (ROOT / "docs" / "data.md").read_text()
CLUSTER = (ROOT / "docs" / "cluster.md").read_text()


def test_the_example_of_the_loss_runs(tmp_path: Path) -> None:
    code = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)[0]
    result = subprocess.run(
        [sys.executable, "-c", code + "\nassert features.grad.abs().sum() > 0"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "link",
    sorted(
        set(re.findall(r"`((?:docs|tests|configs|profiles)/[\w./-]+)`", README + DATA + CLUSTER))
    ),
)
def test_every_file_in_the_text_exists(link: str) -> None:
    assert (ROOT / link).exists() or link == "configs/plans/kitchen.yaml"


def indented(text: str, first: str) -> str:
    """The indented block of a text that starts with the line `first`."""
    (block,) = re.findall(
        rf"^    {re.escape(first)}.*\n(?:(?:    .*)?\n)*", text, flags=re.MULTILINE
    )
    return textwrap.dedent(block)


def test_the_example_plan_and_list_for_own_clips_are_valid(tmp_path: Path) -> None:
    (tmp_path / "kitchen.yaml").write_text(example_plan())
    plan = load_plan(tmp_path / "kitchen.yaml")
    check(plan)
    assert plan.dataset_name == "my kitchen clips"
    (tmp_path / "kitchen.csv").write_text(indented(DATA, "path,label_name,split").rstrip() + "\n")
    table = plain_csv.read([tmp_path / "kitchen.csv"], None)
    assert dict(zip(table["id"], table["label_name"], strict=True)) == {
        "kitchen/0001": "chop onions",
        "kitchen/0002": "wash dishes",
        "street/0001": "",
    }
    assert list(table["split"]) == ["train", "test", "unlabelled"]
