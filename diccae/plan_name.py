"""The name of a plan, with the values that it changes: `embedded@method.temperature=0.1`.

A plan with changed values is a plan of its own: this name stands in its records, commands and
messages, and names its results folder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from diccae.errors import UserError

Value = bool | int | float | str | None

PLAIN = r"[a-z0-9][a-z0-9-]*"
_KEY, _VALUE = r"[A-Za-z_][\w-]*(?:\.[\w-]+)*", r"[A-Za-z0-9_.+-]+"
# safe in a path, in a shell and in a wildcard of Snakemake
NAME = rf"{PLAIN}(?:@{_KEY}={_VALUE})*"
_CHANGED = re.compile(r"(?P<plan>.+?)(?P<changes>(?:@[^@/\s]+=[^@/]*)+)", flags=re.DOTALL)
_WORDS: dict[str, Value] = {"null": None, "true": True, "false": False}
# a folder's name has at most 255 bytes, and temporary files have longer ones
LONGEST = 200


def split_name(name: str) -> tuple[str, dict[str, Value]]:
    """`embedded@method.temperature=0.1` -> (`embedded`, {`method.temperature`: 0.1}); without a
    change, the name and nothing.

    Raises:
        UserError: a change is not `key=value`, or its value is not a single one.
    """
    match = _CHANGED.fullmatch(name)
    if match is None:
        return name, {}
    return match["plan"], _changes(match["changes"].split("@")[1:])


def read_changes(text: str) -> dict[str, Value]:
    """`a.b=1 c.d=2`, as `--config set=` has it, -> {`a.b`: 1, `c.d`: 2}.

    Raises:
        UserError: a word is not `key=value`, or there is none.
    """
    if not text.split():
        raise UserError(f"set: {WANTED}, got nothing")
    return _changes(text.split())


def changed_name(plan: str, changes: Mapping[str, Value]) -> str:
    """The name of a plan with changed values: keys sorted, and each number written in one way.

    Raises:
        UserError: it is too long for a folder.
    """
    name = "@".join([plan, *(f"{key}={value_text(changes[key])}" for key in sorted(changes))])
    if len(name) > LONGEST:
        raise UserError(
            f"{name}: the name of a results folder has at most {LONGEST} characters; write so many "
            "changes as a plan of your own"
        )
    return name


def results_root_of(name: str) -> Path:
    """The results folder of the plan of that name, relative to the working directory: `results`
    for the default plan, `results/<name>` for others, `results/changed/<name>` with changes."""
    if "@" in name:
        return Path("results", "changed", name)
    return Path("results") if name == "embedded" else Path("results") / name


def value_text(value: Value) -> str:
    """A value as names and files of plans have it."""
    words = (word for word, known in _WORDS.items() if value is known)
    return next(words, str(value))


WANTED = "wanted key=value, such as method.temperature=0.1, several with blanks between them"


def _changes(words: list[str]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not re.fullmatch(_KEY, key):
            raise UserError(f"set {word}: {WANTED}")
        if not re.fullmatch(_VALUE, text):
            raise UserError(
                f"set {word}: wanted a number, a word, true, false or null after {key}=, got "
                f"{text!r}; other values belong into a plan of your own"
            )
        if key in found:
            raise UserError(f"set {word}: {key} is set twice; name it once")
        found[key] = _value(text)
    return found


def _value(text: str) -> Value:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        number = float(text)
        # 1.0 and 1 are one value, under one name
        return int(number) if number.is_integer() and abs(number) < 1e15 else number
    except ValueError:
        return text
