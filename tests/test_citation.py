"""CITATION.cff follows the Citation File Format 1.2.0, and its references are complete."""

from __future__ import annotations

import datetime
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())
PAPER = CITATION["preferred-citation"]
# the keys of the format that are used here, with what its schema asks of their values
FORMAT: dict[str, Any] = {
    "cff-version": r"1\.2\.0",
    "message": r".+",
    "title": r".+",
    "type": r"software|dataset|article",
    "version": r"\S+",
    "date-released": datetime.date,
    "license": r"Apache-2\.0",
    "authors": list,
    "preferred-citation": dict,
    "journal": r".+",
    "year": int,
    "month": range(1, 13),
    "doi": r"10\.\d{4,9}(\.\d+)?/[A-Za-z0-9:/_;\-\.\(\)\[\]\\]+",
    "url": r"https://\S+",
}
PERSON, ENTITY = {"family-names", "given-names"}, {"name"}


@pytest.mark.parametrize("part", [CITATION, PAPER], ids=["package", "paper"])
def test_every_key_is_of_the_format_and_has_a_value_of_its_kind(part: dict[str, Any]) -> None:
    for key, value in part.items():
        assert key in FORMAT, f"{key} is no key of the format, or has to be added here"
        wanted = FORMAT[key]
        if isinstance(wanted, str):
            assert re.fullmatch(wanted, str(value)), key
        elif isinstance(wanted, range):
            assert value in wanted, key
        else:
            assert type(value) is wanted, key
    for author in part["authors"]:
        assert set(author) in (PERSON, ENTITY)
        assert all(isinstance(name, str) and name for name in author.values())


def test_what_the_format_and_a_complete_bibtex_entry_need_is_there() -> None:
    assert {"cff-version", "message", "title", "authors"} <= CITATION.keys()
    # of @software and of @article
    assert {"version", "date-released"} <= CITATION.keys()
    assert {"type", "title", "authors", "journal", "year", "month", "doi", "url"} <= PAPER.keys()
    assert PAPER["type"] == "article"
    assert PAPER["doi"].rpartition(".")[2] == PAPER["url"].rpartition(".")[2]


def test_it_describes_this_package_and_the_paper_of_the_readme() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert CITATION["version"] == project["version"]
    assert CITATION["license"] == project["license"]
    assert PAPER["title"] in " ".join((ROOT / "README.md").read_text().split())
