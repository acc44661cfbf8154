"""The report of a results folder, against the one that is rendered from its runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from html.parser import HTMLParser

from diccae.digests import text_digest

# stands for the root digest where the digest of a page is computed: the root covers the page
NO_ROOT = "0" * 64
SHOWN_ROOT = re.compile(r'<code id="root">([^<]*)</code>')
BREAKS = {"h1", "h2", "h3", "p", "li", "tr", "caption", "figcaption", "footer", "title", "div"}
BREAKS |= {"summary", "dt", "dd", "button"}
CELLS = {"td", "th"}
SOUNDING = {"audio": "sound", "video": "clip"}
UNREAD = {"style", "script"}


def shown_root(page: str) -> str | None:
    """The root digest that a page shows; None for a page without one."""
    match = SHOWN_ROOT.search(page)
    return match[1] if match else None


def page_digest(page: str, root: str) -> str:
    """SHA-256 of a page that shows a root digest, without that digest."""
    return text_digest(page.replace(root, NO_ROOT))


def is_page(page: str, root: str, digest: str | None) -> bool:
    """Whether a page shows a root digest and has a digest without it. Zeros in its place would
    have the same one."""
    return shown_root(page) == root and page_digest(page, root) == digest


@dataclass(frozen=True)
class Passage:
    """A paragraph, heading, caption, picture or row of a table; the cells of a row are apart."""

    cells: tuple[str, ...]
    section: str = field(compare=False)

    def __str__(self) -> str:
        return " | ".join(self.cells)


def page_differences(page: str, rendered: str) -> Iterator[tuple[str, str]]:
    """(section, what differs) of each passage of a page that is not the rendered one.

    Where all passages agree, the first line that differs is named.
    """
    one, other = _passages(page), _passages(rendered)
    changes = SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
    found = False
    for kind, start, end, wanted_start, wanted_end in changes:
        if kind == "equal":
            continue
        found = True
        mine, wanted = one[start:end], other[wanted_start:wanted_end]
        for index in range(max(len(mine), len(wanted))):
            left = mine[index] if index < len(mine) else None
            right = wanted[index] if index < len(wanted) else None
            yield _compared(left, right)
    if not found and page != rendered:
        lines = enumerate(zip(page.split("\n"), rendered.split("\n"), strict=False), start=1)
        number = next((number for number, (a, b) in lines if a != b), None)
        yield "markup", f"line {number} differs" if number else "a part is missing or was added"


def _compared(left: Passage | None, right: Passage | None) -> tuple[str, str]:
    if left is None or right is None:
        passage = left or right
        assert passage is not None
        words = "was added" if right is None else "is missing"
        return passage.section, f"{_short(str(passage))} {words}"
    if len(left.cells) == len(right.cells) > 1:
        pairs = [(a, b) for a, b in zip(left.cells, right.cells, strict=True) if a != b]
        says, gives = (" | ".join(pair[side] for pair in pairs) for side in (0, 1))
        name = f"row {_short(left.cells[0])}: "
    else:
        name, says, gives = "", str(left), str(right)
    return right.section, f"{name}says {_short(says, gives)}, the runs give {_short(gives, says)}"


def _short(text: str, other: str = "") -> str:
    """A text in quotes, at most 160 characters of it, from where it differs from another one."""
    start = 0
    if len(text) > 160 and other:
        pairs = enumerate(zip(text, other, strict=False))
        differs = next((index for index, (a, b) in pairs if a != b), min(len(text), len(other)))
        start = max(0, differs - 60)
    cut = text[start : start + 160]
    return f"'{'...' if start else ''}{cut}{'...' if start + 160 < len(text) else ''}'"


def _passages(page: str) -> list[Passage]:
    parser = _Reader()
    parser.feed(page)
    parser.close()
    parser.end_passage()
    return parser.found


class _Reader(HTMLParser):
    """Collects the passages of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Passage] = []
        self._cells: list[str] = [""]
        self._section, self._hidden = "top", False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a passage or a cell; a picture, a sound or a clip is a passage of its own."""
        self._hidden = self._hidden or tag in UNREAD
        if tag in BREAKS:
            self.end_passage()
        elif tag in CELLS:
            self._cells.append("")
        elif tag in ("img", "audio", "video"):
            named = dict(attrs)
            digest = text_digest(named.get("src") or "")[:12]
            self.end_passage()
            name = f"picture {named.get('alt')}" if tag == "img" else SOUNDING[tag]
            self.found.append(Passage((f"{name} {digest}",), self._section))

    def handle_endtag(self, tag: str) -> None:
        """End a passage; a heading names the section that it begins."""
        self._hidden = self._hidden and tag not in UNREAD
        if tag == "h2":
            self._section = " ".join("".join(self._cells).split())
        if tag in BREAKS:
            self.end_passage()

    def handle_data(self, data: str) -> None:
        """Add text to the cell."""
        if not self._hidden:
            self._cells[-1] += data

    def end_passage(self) -> None:
        """Keep what was collected, if there is any."""
        cells = [" ".join(cell.split()) for cell in self._cells]
        # what stands before the first cell of a row
        kept = tuple(cells if len(cells) == 1 else cells[1:] if not cells[0] else cells)
        if any(kept):
            self.found.append(Passage(kept, self._section))
        self._cells = [""]
