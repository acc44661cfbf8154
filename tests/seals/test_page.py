"""Pages compared passage by passage."""

from __future__ import annotations

import pytest

from diccae.seals.page import NO_ROOT, page_differences, page_digest, shown_root

PAGE = """<html><head><title>Report</title><style>p { color: red }</style></head><body>
<h1>Reproduction</h1><p>Nothing was <b>selected</b> on the test split.</p>
<h2 id="tables">Tables</h2>
<table><caption>Table 2</caption><tr><th>variant</th><th>top-1</th></tr>
<tr><td>full</td><td>80.2 <small>[77.6, 82.9]</small></td></tr>
<tr><td>none</td><td>70.2</td></tr></table>
<figure><img src="data:image/png;base64,AAAA" alt="A matrix"><audio
src="data:audio/mpeg;base64,BBBB"></audio><video
src="data:video/mp4;base64,CCCC"></video><figcaption>Pairs</figcaption></figure>
<h2>Claims</h2><ul><li>The loss helps: inconclusive</li></ul>
<footer><p>Root <code id="root">ab12</code></p></footer><script>show()</script></body></html>
"""


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (
            "<b>selected</b>",
            "<b>chosen</b>",
            ("top", "says 'Nothing was chosen on the test split.', the runs give 'Nothing was "),
        ),
        ("80.2", "99.9", ("Tables", "row 'full': says '99.9 [77.6, 82.9]', the runs give '80.2 ")),
        ("inconclusive", "reproduced", ("Claims", "says 'The loss helps: reproduced', ")),
        ("<tr><td>none</td><td>70.2</td></tr>", "", ("Tables", "'none | 70.2' is missing")),
        ("<h2>Claims", "<p>More</p><h2>Claims", ("Tables", "'More' was added")),
        ("AAAA", "AAAB", ("Tables", "says 'picture A matrix ")),
        ("BBBB", "BBBC", ("Tables", "says 'sound ")),
        ("CCCC", "CCCD", ("Tables", "says 'clip ")),
        ("color: red", "display: none", ("markup", "line 1 differs")),
        ("show()", "hide()", ("markup", "line 11 differs")),
        ("<b>selected</b>", "<i>selected</i>", ("markup", "line 2 differs")),
        ("</html>\n", "</html>", ("markup", "a part is missing or was added")),
        ("ab12", "ab13", ("Claims", "says 'Root ab13', the runs give 'Root ab12'")),
    ],
)
def test_what_differs_is_named(old: str, new: str, wanted: tuple[str, str]) -> None:
    ((section, words),) = page_differences(PAGE.replace(old, new), PAGE)
    assert section == wanted[0]
    assert words.startswith(wanted[1])


def test_a_long_passage_is_cut_where_it_differs() -> None:
    long = PAGE.replace("Pairs", "word " * 100 + "first end")
    ((_, words),) = page_differences(long.replace("first", "other"), long)
    assert "other end" in words
    assert "first end" in words
    assert len(words) < 250


def test_a_page_shows_its_root_and_is_digested_without_it() -> None:
    assert list(page_differences(PAGE, PAGE)) == []
    assert shown_root(PAGE) == "ab12"
    assert shown_root("<p>ab12</p>") is None
    other = PAGE.replace("ab12", "cd34")
    assert (
        page_digest(PAGE, "ab12")
        == page_digest(other, "cd34")
        == page_digest(PAGE.replace("ab12", NO_ROOT), NO_ROOT)
    )
    assert page_digest(PAGE.replace("80.2", "99.9"), "ab12") != page_digest(PAGE, "ab12")
