"""Tables compared cell by cell."""

from __future__ import annotations

from pathlib import Path

import pytest

from diccae.seals.cells import differences

COMPUTED = """variant,modality,top1,low
full,A,60.0000,
full,AV,80.0000,71.5000
none,AV,70.0000,61.5000
"""


@pytest.mark.parametrize(
    ("edits", "wanted"),
    [
        (
            {"80.0000": "99.0000"},
            {"variant full, modality AV, top1: says 99.0000, the runs give 80.0000"},
        ),
        (
            {"80.0000": "", "61.5000": "61.5", "60.0000,": "60.0000,1"},
            {
                "variant full, modality A, low: says 1, the runs give nothing",
                "variant full, modality AV, top1: says nothing, the runs give 80.0000",
                "variant none, modality AV, low: says 61.5, the runs give 61.5000 "
                "(equal values, other bytes)",
            },
        ),
        (
            {"none,AV,70.0000,61.5000\n": ""},
            {"variant none, modality AV: this row is missing here, the runs give it"},
        ),
        (
            {"none,AV,70.0000,61.5000\n": "none,AV,70.0000,61.5000\nnone,AV,70.0000,61.5000\n"},
            {"variant none, modality AV (number 2): no such row: it was added"},
        ),
        (
            {"none,AV": "other,AV"},
            {
                "variant none, modality AV: this row is missing here, the runs give it",
                "variant other, modality AV: no such row: it was added",
            },
        ),
        (
            {
                "full,A,60.0000,\nfull,AV,80.0000,71.5000\n": (
                    "full,AV,80.0000,71.5000\nfull,A,60.0000,\n"
                )
            },
            {"rows: the rows stand in another order than the runs give"},
        ),
        (
            {"top1,low": "top1,high"},
            {
                "low: this column is missing here, the runs give it",
                "high: no such column: it was added",
            },
        ),
        (
            {"top1,low": "top1,top1"},
            {
                "low: this column is missing here, the runs give it",
                "top1: the runs give this column once: it was added",
            },
        ),
        ({"71.5000": "71.5000,5"}, {"line 3: has 5 cells, the header has 4"}),
        ({"\n": "\r\n"}, set()),
    ],
)
def test_what_differs_is_named(tmp_path: Path, edits: dict[str, str], wanted: set[str]) -> None:
    mine, computed = tmp_path / "mine.csv", tmp_path / "computed.csv"
    text = COMPUTED
    for old, new in edits.items():
        assert old in text
        text = text.replace(old, new)
    mine.write_bytes(text.encode())
    computed.write_text(COMPUTED)
    found = {
        f"{each.where}: {each.message}"
        for each in differences(mine, computed, ("variant", "modality"))
    }
    assert wanted <= found
    # a wrong header or a cell too many shifts the cells beside it
    if not any("column" in words or "header" in words for words in wanted):
        assert found == wanted


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    computed = tmp_path / "computed.csv"
    computed.write_text(COMPUTED)
    mine = tmp_path / "mine.csv"
    for content in (b"\xff\xfe", b'variant\n"open'):
        mine.write_bytes(content)
        with pytest.raises(ValueError, match="decode|unexpected end"):
            list(differences(mine, computed, ("variant",)))
