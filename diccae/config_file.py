"""Reading the Python files of `configs`: what is wrong in one is an error that names the file and
the line."""

from __future__ import annotations

import ast
import copy
import traceback
from pathlib import Path
from typing import Any

from mmengine.config import Config

from diccae.errors import UserError


def read_config(path: Path) -> dict[str, Any]:
    """What an mmengine config assigns, by name.

    Raises:
        UserError: the file cannot be read or executed, or assigns a name twice; names the line.
    """
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except SyntaxError as error:
        place = f", line {error.lineno}" if error.lineno else ""
        raise UserError(f"{path}{place}: not valid Python: {error.msg}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: it cannot be read: {error}") from None
    _check_assigned_once(path, tree)
    try:
        return Config.fromfile(path).to_dict()
    except Exception as error:
        # the file is a program, and may fail in any way
        frames = traceback.extract_tb(error.__traceback__)
        line = next((frame.lineno for frame in reversed(frames) if frame.filename == str(path)), 0)
        place = f", line {line}" if line else ""
        reason = " ".join(str(error).split())
        raise UserError(f"{path}{place}: {type(error).__name__}: {reason}") from None


def merge(target: dict[str, Any], difference: dict[str, Any]) -> None:
    """Set the keys of a nested `difference` in `target`, which keeps its other keys."""
    for key, value in difference.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            merge(target[key], value)
        else:
            target[key] = copy.deepcopy(value)


def _check_assigned_once(path: Path, tree: ast.Module) -> None:
    lines: dict[str, int] = {}
    for statement in tree.body:
        for target in statement.targets if isinstance(statement, ast.Assign) else ():
            if not isinstance(target, ast.Name):
                continue
            if target.id in lines:
                raise UserError(
                    f"{path}, line {statement.lineno}: {target.id!r} is also assigned in line "
                    f"{lines[target.id]}, and only the last one would count; remove one"
                )
            lines[target.id] = statement.lineno
