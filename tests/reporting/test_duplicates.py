"""Near-duplicates on the page."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import Environment, PackageLoader, StrictUndefined

from diccae.datasets.duplicates.find import find_duplicates, write_list
from diccae.plans import Plan
from diccae.reporting.duplicates import duplicates
from diccae.reporting.page_values import number
from tests.datasets.duplicates.conftest import plan_on, planted

__all__ = ["planted"]


@pytest.fixture
def plan(planted: Path, tmp_path: Path) -> Plan:
    return plan_on(tmp_path, planted)


def page(plan: Plan, folder: Path, pairs: int = 20) -> str:
    environment = Environment(
        loader=PackageLoader("diccae.reporting"), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["num"] = number
    template = environment.get_template("duplicates.html.jinja")
    found = duplicates(plan, folder, pairs)
    return template.render(duplicates=found, plan=plan, root="results/mine")


def test_a_plan_without_a_list_has_no_section(plan: Plan, tmp_path: Path) -> None:
    assert duplicates(plan, tmp_path) is None


def test_the_first_pairs_are_shown_with_their_frames(plan: Plan, tmp_path: Path) -> None:
    table = find_duplicates(plan).table
    write_list(table, tmp_path / "duplicates.csv")
    shown = page(plan, tmp_path, pairs=4)
    assert f"found {len(table)} pairs" in shown
    assert f"{len(table)} of test and unlabelled" in shown
    assert shown.count("data:image/jpeg") == 8
    assert table["second"][3] in shown
    assert table["second"][4] not in shown
    assert len(shown) < 60_000
    # where the clips are not, their names are shown
    elsewhere = duplicates(plan.at(tmp_path), tmp_path)
    assert elsewhere is not None
    assert elsewhere["pairs"][0]["first_image"] is None


def test_a_list_of_another_manifest_shows_no_pair(plan: Plan, tmp_path: Path) -> None:
    write_list(find_duplicates(plan).table.assign(manifest="0" * 16), tmp_path / "duplicates.csv")
    shown = page(plan, tmp_path)
    assert "was made from another manifest" in shown
    assert "data:image" not in shown
