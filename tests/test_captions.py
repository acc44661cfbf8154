"""The captions of `snakemake --report`."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2

ROOT = Path(__file__).resolve().parent.parent
SNAKEFILE = (ROOT / "Snakefile").read_text()
FOLDER = Path("configs/captions")


def test_every_result_of_the_workflow_is_in_its_report() -> None:
    marked = re.findall(r'report\(\s+"\{root\}/(\S+)"', SNAKEFILE)
    assert marked == ["{table}.csv", "{figure}.csv", "{figure}.svg", "verify.json", "report.html"]


def test_every_caption_is_there_and_names_what_its_rule_has() -> None:
    named = re.findall(r'caption="(.+)"', SNAKEFILE)
    assert set(named) == {str(FOLDER / path.name) for path in (ROOT / FOLDER).iterdir()}
    strict = jinja2.Environment(undefined=jinja2.StrictUndefined)
    rule = {
        "params": {"command": "table2 --plan smoke"},
        "wildcards": {"root": "results/smoke"},
    }
    for name in named:
        text = strict.from_string((ROOT / name).read_text()).render(snakemake=rule)
        assert text.strip().endswith((".", ")."))
