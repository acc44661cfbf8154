"""The report as a file: valid, complete, and the same bytes each time."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from diccae.artifacts import artifacts_of
from diccae.plans import Plan, load_plan
from diccae.reporting import claims, html, verdicts
from diccae.reporting.ambiguities import ambiguities
from tests.reporting.conftest import write_all


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.resources: list[str] = []
        self.open: list[str] = []
        self.tables = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.resources += [str(values[key]) for key in ("src", "srcset") if key in values] + (
            [str(values["href"])] if tag == "link" else []
        )
        self.tables += tag == "table"
        if tag == "img":
            assert values.get("alt")
        if tag not in ("meta", "img", "br", "link", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def written(synthetic_results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All tables and figures of the synthetic results, made once for all tests, which only read
    them."""
    root = tmp_path_factory.mktemp("written")
    with contextlib.chdir(synthetic_results):
        write_all(load_plan("fake.yaml"), root)
    return root


def test_the_report_is_a_single_file_of_valid_html(fake: Plan, written: Path) -> None:
    root = fake.results_root()
    shutil.copytree(written, root, dirs_exist_ok=True)
    html.write_report(fake, root / "report.html")
    page = (root / "report.html").read_text()
    reader = _Reader()
    reader.feed(page)
    assert reader.open == []
    assert all(source.startswith("data:") for source in reader.resources)
    assert reader.tables >= 10
    first_screen = page[: page.index('<h2 id="tables">')]
    assert "No verdict with 3 seeds (4 are needed); means of 7 A-V drops" in first_screen
    assert "The 12 classes of rendered clips can show" in first_screen
    assert "The embedded benchmark is not VGGSound" in page[page.index('<h2 id="run">') :]
    assert "measured, plan <code>fake</code>, 3 seeds" in page
    assert "Full method, A-V, seed 0" in page
    assert "Macro" not in page
    register = page[page.index('id="register"') :]
    assert "<h3>DICCAE</h3>" in register
    assert "<h3>MBT (miniature)</h3>" in register
    # three seeds: no interval, no verdict
    for path in root.rglob("*.csv"):
        table = pd.read_csv(path)
        ends = [c for c in table if c.endswith(("low", "high"))]
        assert table[ends].isna().all(axis=None), path
    assert set(pd.read_csv(root / "claims.csv")["verdict"]) == {
        verdicts.TOO_FEW,
        claims.NOT_TESTABLE,
        claims.SELF_CONTRADICTION,
    }
    row = page[page.index('id="table2-no_infonce-AV"') :]
    assert (
        '<td>A-V</td><td class="n">55.4 <small>too few seeds</small>' in row[: row.index("</tr>")]
    )
    # right in 38 of 240 clips with zeros for the video
    withheld = page[page.index('id="withheld"') :]
    assert withheld.index(">15.8 <") < withheld.index("</table>")
    assert "there is no band: 3 seeds give no interval; 4 are needed" in page
    said = page[page.index('id="mechanism"') :]
    assert said.index("<b>No conclusion: too few seeds.</b> Slope of") < said.index("<table>")
    assert "The 10 most confused pairs of classes" in said
    assert (
        "nan"
        not in re.sub(r"<style>.*?</style>|base64,[^\"]*", "", page, flags=re.DOTALL)
        .lower()
        .split()
    )


def test_artifacts_are_the_same_bytes_twice(fake: Plan, written: Path, tmp_path: Path) -> None:
    write_all(fake, tmp_path / "two")
    files = [path for path in written.rglob("*.*") if path.is_file()]
    assert len(files) == len(artifacts_of(fake)) + sum(
        artifact.draw is not None for artifact in artifacts_of(fake).values()
    )
    for path in files:
        other = tmp_path / "two" / path.relative_to(written)
        assert path.read_bytes() == other.read_bytes(), path.name


def test_every_register_key_exists_in_the_composed_config(fake: Plan) -> None:
    settings = json.loads((fake.run_folder("full", 0, modality="AV") / "record.json").read_text())[
        "settings"
    ]
    entries = ambiguities(fake, settings)
    assert {entry["value"] for entry in entries if entry["key"] == "method.coverage"} == {0.95}
    documented = {
        entry["key"].removeprefix("method.")
        for entry in entries
        if entry["key"].startswith("method.")
    }
    # ablations, controls and opponents, not ambiguities
    assert set(settings["method"]) - documented == {
        "weighting",
        "finetune_labels",
        "pair_loss",
        "supcon_temperature",
    }
