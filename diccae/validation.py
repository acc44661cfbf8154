"""Content of YAML files and configs held against typed models, with errors for a reader."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from diccae.errors import UserError


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` where a known word is close, else nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def choices(word: str, known: Iterable[str], label: str = "known") -> str:
    """What follows an unknown name: `; did you mean 'x'? Known: x, y`, or `; known: x, y`."""
    known = list(known)
    hint, names = did_you_mean(word, known), ", ".join(known)
    return f"{hint} {label[0].upper()}{label[1:]}: {names}" if hint else f"; {label}: {names}"


def checked(model: type[Any], content: dict[str, Any], where: str) -> Any:
    """Validate `content` against a pydantic model.

    Raises:
        UserError: it does not fit; names `where` and the first three keys that are wrong.
    """
    if not isinstance(content, dict):
        raise UserError(f"{where}: wanted a mapping of keys, got {content!r}")
    try:
        return model(**content)
    except ValidationError as error:
        lines = []
        for problem in error.errors()[:3]:
            key = ".".join(str(part) for part in problem["loc"])
            message = problem["msg"].removeprefix("Value error, ")
            if problem["type"] == "extra_forbidden":
                message = "unknown key" + did_you_mean(str(problem["loc"][-1]), model.model_fields)
            elif "did you mean" not in message and not isinstance(problem.get("input"), dict):
                message = f"{message}, got {problem.get('input')!r}"
            lines.append(f"{key}: {message}" if key else message)
        raise UserError(f"{where}: " + " | ".join(lines)) from None
