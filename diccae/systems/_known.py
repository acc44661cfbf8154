"""The systems by name, and whose variant a file of `configs/variants` is. Reads no config, so that
reports, which run without OpenMMLab, can ask."""

from __future__ import annotations

import ast
import importlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from diccae.errors import UserError
from diccae.plans import CONFIG_ROOT, DEFAULT_SYSTEM
from diccae.systems.spec import System
from diccae.validation import choices


def known_systems() -> list[str]:
    """Names of the systems: those with a file in `diccae/systems`."""
    folder = Path(__file__).parent
    return sorted(path.stem for path in folder.glob("[!_]*.py") if path.stem != "spec")


@lru_cache
def system_of(name: str) -> System[Any]:
    """The system of that name.

    Raises:
        UserError: there is none; names those that there are.
    """
    if name not in known_systems():
        raise UserError(f"unknown system {name!r}{choices(name, known_systems(), 'known systems')}")
    return importlib.import_module(f"diccae.systems.{name}").SYSTEM


@dataclass(frozen=True)
class Origin:
    """Whose variant a variant is, and what it reads.

    Attributes:
        system: its system.
        inputs: its input family, a file of `configs/base/<scale>`.
        own: whether it is the system itself, with its defaults; also on another input family.
    """

    system: System[Any]
    inputs: str
    own: bool


@lru_cache(maxsize=1024)
def origin_of_variant(variant: str) -> Origin:
    """What the name of a variant, as `mbt_late` or `mbt@lr=0.001`, stands for.

    Raises:
        UserError: its file names an unknown system.
    """
    name = variant.partition("@")[0]
    path = CONFIG_ROOT / "variants" / f"{name}.py"
    stated = _strings(path.read_text()) if path.is_file() else {"system": name}
    system = system_of(stated.get("system", DEFAULT_SYSTEM))
    inputs = stated.get("inputs", system.input_family)
    own = name in (system.name, "full", f"{system.name}_{inputs}")
    return Origin(system, inputs, own)


def _strings(text: str) -> dict[str, str]:
    """The strings that a config assigns, by name."""
    return {
        statement.targets[0].id: statement.value.value
        for statement in ast.parse(text).body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    }
