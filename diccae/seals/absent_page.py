"""A report that verify.json lists and that is not here, as in a committed folder of shards."""

from __future__ import annotations

from pathlib import Path

from diccae.plans import Plan
from diccae.reporting import html
from diccae.seals.finding import Finding
from diccae.seals.page import page_digest
from diccae.seals.seal import Seal


def check_absent_page(
    plan: Plan, page: Path, seal: Seal | None, fresh: Path, changed: str
) -> list[Finding]:
    """Nothing where verify.json does not list the page either. Results of shards may be kept
    without it, since it is made of tables and figures that are there: it is rendered again, and
    must have the digest that verify.json lists.

    Args:
        plan: the plan.
        page: the report.
        seal: verify.json; None where there is none.
        fresh: folder with tables and figures that were computed again.
        changed: what changed since they were made, in words; empty where nothing is known to have
            changed.
    """
    listed = None if seal is None else seal.files.get(str(page))
    if seal is None or listed is None:
        return []
    if not (plan.elsewhere and seal.intact):
        return [Finding("missing", str(page), f"is gone; {seal.path} lists it")]
    try:
        root = seal.content["root"]
        same = page_digest(html.render(plan, fresh, dict(seal.content)), root) == listed
    # a file may be damaged in any way
    except Exception as error:
        return [Finding("stale", str(page), f"cannot be rendered again: {error}")]
    if same:
        words = f"is not here; rendered again, it has the digest that {seal.path} lists"
        return [Finding("missing", str(page), words, problem=False)]
    words = f"{changed}it is not here, and rendered again it is not the page of {seal.path}"
    return [Finding("stale", str(page), words, problem=not changed)]
