"""The page as a document: anchors, links, texts of pictures and clips, and no network."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser

import pandas as pd

from diccae.artifacts import artifacts_of
from diccae.plans import Plan
from diccae.reporting import html
from diccae.reporting.page_values import placed


class _Reader(HTMLParser):
    """Collects the start tags of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def values(self, name: str, *tags: str) -> list[str]:
        return [v[name] for tag, v in self.tags if name in v and (not tags or tag in tags)]


def test_links_have_targets_and_pictures_have_texts(fake: Plan) -> None:
    root = fake.results_root()
    for name in ("table2", "claims", "controls", "control_verdicts"):
        if name in artifacts_of(fake):
            artifacts_of(fake)[name].make(fake, root / f"{name}.csv")
    page = html.render(fake, root, None)
    reader = _Reader(page)
    ids = reader.values("id")
    assert [name for name, count in Counter(ids).items() if count > 1] == []
    assert {"table2-no_infonce-AV", "claims-table1/DICCAE/AV"} <= set(ids)
    links = reader.values("href")
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    # every other link is a file beside the page, and its row is there
    files = [link.partition("#row=") for link in links if not link.startswith("#")]
    for file, _, row in files:
        assert re.fullmatch(r"\w+\.csv", file)
        if (root / file).is_file() and row:
            assert 2 <= int(row) <= 1 + len(pd.read_csv(root / file))
    assert {name for name, *_ in files} >= {"table2.csv", "claims.csv"}
    assert "snakemake --cores all results/fake/table2.csv" in page
    resources = reader.values("src") + reader.values("poster")
    assert all(source.startswith("data:") for source in resources)
    assert not re.search(r"url\(|@import|<link|<iframe|fetch\(", page)
    assert "default-src 'none'" in page
    for tag, values in reader.tags:
        if tag == "img":
            assert values.get("alt")
        if tag in ("audio", "video"):
            assert values.get("aria-label")
        if values.get("class") == "scroll":
            assert values["tabindex"] == "0"
            assert values["aria-label"]
    levels = [int(tag[1]) for tag, _ in reader.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))
    # without the script: every claim is shown and the buttons are not
    claims = [values for tag, values in reader.tags if tag == "tr" and "data-verdict" in values]
    assert claims
    assert not any("hidden" in values for values in claims)
    assert any(values.get("class") == "filter" and "hidden" in values for _, values in reader.tags)
    # the clip of this cache does not exist
    assert "The clips are not on this machine" in page
    assert "<video" not in page


def test_a_row_knows_its_place_in_the_csv_file() -> None:
    table = pd.DataFrame(
        {
            "system": ["MBT", "CAV-MAE, best A-V", "MBT"],
            "dataset": ["VGGSound"] * 3,
            "AV": [1, 2, 3],
        }
    )
    rows = placed(table, "table1")
    assert [row.anchor for row in rows] == [
        "table1-MBT-VGGSound",
        "table1-CAV-MAE,_best_A-V-VGGSound",
        "table1-MBT-VGGSound-2",
    ]
    # the row of the names of columns is the first one
    assert [row.href for row in rows] == [f"table1.csv#row={line}" for line in (2, 3, 4)]
    assert rows[2] == {"system": "MBT", "dataset": "VGGSound", "AV": 3}
