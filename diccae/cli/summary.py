"""`diccae summary`: what the committed references say together."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill
from typing import Annotated, Any

import typer

from diccae.errors import UserError
from diccae.whole_file import whole_file

# between these lines a page has the sentences
BEGIN, END = "<!-- diccae summary: begin -->\n", "<!-- diccae summary: end -->\n"
LINES: dict[str, Any] = {"width": 100, "subsequent_indent": "  ", "break_on_hyphens": False}
README, REFERENCE = Path("README.md"), Path("results/reference/README.md")


def summary(
    write: Annotated[
        bool,
        typer.Option(
            "--write",
            help="Also write results/reference/data_sets.csv, and the sentences into README.md "
            "and results/reference/README.md.",
        ),
    ] = False,
) -> None:
    """Print what the committed references say, in five sentences and one on open choices, and where
    real sounds and rendered clips have other verdicts."""
    from diccae.committed import DATA_SETS_TABLE
    from diccae.reporting.csv_file import save
    from diccae.reporting.data_sets import data_sets, sentences

    said, table = said_on(), data_sets()
    print("\n".join(said[REFERENCE]))
    print("\n".join(["", *sentences(table)]))
    if write:
        pages = {page: with_sentences(page, found) for page, found in said.items()}
        if len(table):
            save(table, DATA_SETS_TABLE)
        for page, text in pages.items():
            with whole_file(page) as temporary:
                temporary.write_text(text)
        written = [DATA_SETS_TABLE] if len(table) else []
        print(f"\nwrote {', '.join(map(str, [*written, *pages]))}")


def said_on() -> dict[Path, list[str]]:
    """The sentences on each page."""
    from diccae.reporting.summary import open_choices
    from diccae.reporting.summary import summary as five

    found = five()
    return {README: found, REFERENCE: [*found, open_choices()]}


def with_sentences(page: Path, found: list[str]) -> str:
    """The text of a page with other sentences between its marks.

    Raises:
        UserError: the page or its marks are missing.
    """
    text = page.read_text() if page.is_file() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise UserError(
            f"{page} lacks the lines {BEGIN.strip()!r} and {END.strip()!r}, between which the "
            "sentences go; add them"
        )
    lines = (fill(f"- {sentence}", **LINES) + "\n" for sentence in found)
    return f"{before}{begin}\n{''.join(lines)}\n{end}{after}"


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(summary)
