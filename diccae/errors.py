"""The error that every layer raises for mistakes of the user."""

from __future__ import annotations


class UserError(Exception):
    """A mistake that the user can correct: one sentence with the place, what was wanted, what was
    found, and the way out.
    """
