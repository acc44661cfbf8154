"""Reading YAML files: what is wrong in one is an error that names the file and the line."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from diccae.errors import UserError


class _DoubledKey(yaml.MarkedYAMLError):
    """A key that occurs twice in a mapping; YAML itself keeps the last value without a word."""


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.value in lines and isinstance(key, yaml.ScalarNode):
                problem = f"the key {key.value!r} is also in line {lines[key.value]}; remove one"
                raise _DoubledKey(problem=problem, problem_mark=key.start_mark)
            lines[str(key.value)] = line
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        UserError: the file cannot be read, is not valid YAML (with the line), has a key twice in
            one mapping, or holds no mapping.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        kind = "" if isinstance(error, _DoubledKey) else "not valid YAML: "
        raise UserError(f"{path}{line}: {kind}{error.problem or error.context}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    except OSError as error:
        raise UserError(f"{path}: it cannot be read: {error.strerror}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: wanted a mapping of keys, got {type(content).__name__}")
    return content
