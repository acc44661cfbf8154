"""Lengths of time as `diccae plan` prints them."""

from __future__ import annotations


def length(hours: float) -> str:
    """`14 s`, `3.2 min`, `1.4 h`, `308 h`."""
    if hours >= 1:
        return f"{hours:,.0f} h" if hours >= 100 else f"{hours:.1f} h"
    return f"{3600 * hours:.0f} s" if hours < 1 / 60 else f"{60 * hours:.1f} min"
