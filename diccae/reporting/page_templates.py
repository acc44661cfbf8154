"""The templates of the pages, with the filters that need no statistics.

Every job of training renders the interim page, which should not load SciPy and Matplotlib for it.
"""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from diccae.reporting.page_values import (
    counted,
    evidence,
    interval,
    number,
    p_value,
    significant,
)


def environment() -> Environment:
    """The templates, with their filters."""
    templates = Environment(
        loader=PackageLoader("diccae.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "num": number,
        "interval": interval,
        "counted": counted,
        "significant": significant,
        "p_value": p_value,
        "evidence": evidence,
    }
    return templates
