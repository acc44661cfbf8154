"""Errors of arguments, in terms of the function that was called."""

from __future__ import annotations

from collections.abc import Iterable


class ArgumentError(ValueError):
    """An argument has a value that the function cannot use.

    Args:
        argument: name of the argument.
        message: what was wanted and what was found.
    """

    def __init__(self, argument: str, message: str) -> None:
        super().__init__(argument, message)
        self.argument = argument
        self.message = message

    def __str__(self) -> str:
        return f"{self.argument}: {self.message}"


def check_choice(argument: str, value: object, choices: Iterable[str]) -> None:
    """Raise `ArgumentError` unless `value` is one of `choices`."""
    choices = tuple(choices)
    if value not in choices:
        raise ArgumentError(argument, f"wanted one of {', '.join(choices)}, got {value!r}")
