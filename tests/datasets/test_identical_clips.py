"""Files with the same bytes under two names."""

from __future__ import annotations

import pandas as pd

from diccae.datasets.identical_clips import identical_clips


def index(*rows: tuple[str, str, float, float | None, str, str]) -> pd.DataFrame:
    return pd.DataFrame(
        rows, columns=["id", "file_sha256", "start", "end", "group", "status"]
    ).astype({"end": float})


def test_copies_are_counted_and_those_of_other_groups_named() -> None:
    rows = [
        ("a", "one", 0.0, None, "x", "ok"),
        ("b", "two", 0.0, None, "x", "ok"),
        ("c", "one", 0.0, None, "x", "ok"),
    ]
    assert identical_clips(index(*rows)) == (
        "clips with the bytes of another clip: 1, first c and a (all in the same groups)"
    )
    rows.append(("d", "one", 0.0, None, "y", "ok"))
    assert "clip: 2, first c and a (1 of them in other groups, " in identical_clips(index(*rows))


def test_spans_of_a_file_and_unusable_clips_are_no_copies() -> None:
    rows = [
        ("a", "one", 0.0, 5.0, "x", "ok"),
        ("b", "one", 5.0, 10.0, "x", "ok"),
        ("c", "", 0.0, 5.0, "y", "missing"),
        ("d", "", 0.0, 5.0, "z", "missing"),
        ("e", "one", 0.0, 5.0, "z", "undecodable"),
    ]
    assert identical_clips(index(*rows)) == ""
    assert identical_clips(index(*rows[:0])) == ""
