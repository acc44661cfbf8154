"""The words that every layer shares."""

from __future__ import annotations


class UserError(Exception):
    """A mistake that the user can mend: one sentence that says what, where, and the way out."""
