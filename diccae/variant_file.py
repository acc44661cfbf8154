"""What the parts of a variant's file may hold; a part that nothing reads would change nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from diccae.errors import UserError
from diccae.plans import CONFIG_ROOT, SCORED_STAGE
from diccae.validation import did_you_mean


def check_parts(difference: dict[str, Any], stages: Iterable[str], where: str) -> None:
    """Check the parts of a variant beside the names of its system and of its inputs.

    Args:
        difference: what the file assigns.
        stages: names of the stages of its system.
        where: the file, for errors.

    Raises:
        UserError: a part is no `dict(...)`, or names a stage or scale that does not exist.
    """
    stages = list(stages)
    parts = ["method", *stages]
    _check_dicts(difference, [*parts, "stages", "scales"], where)
    left_out = difference.get("stages", {})
    _check_names(left_out, [name for name in stages if name != SCORED_STAGE], f"{where}, stages")
    for name, wanted in left_out.items():
        if not isinstance(wanted, bool):
            raise UserError(f"{where}, stages: wanted {name}=False or True, got {wanted!r}")
    scales = difference.get("scales", {})
    known = sorted(path.name for path in (CONFIG_ROOT / "base").iterdir() if path.is_dir())
    _check_names(scales, known, f"{where}, scales")
    _check_dicts(scales, known, f"{where}, scales")
    for scale, content in scales.items():
        _check_names(content, parts, f"{where}, scales.{scale}")
        _check_dicts(content, parts, f"{where}, scales.{scale}")


def part_of(difference: dict[str, Any], part: str, scale: str) -> dict[str, Any]:
    """The choices that a part of a variant's file sets: its own, and over them those of a scale."""
    of_scale = difference.get("scales", {}).get(scale, {})
    return difference.get(part, {}) | of_scale.get(part, {})


def check_value(difference: dict[str, Any], given: Mapping[str, float], variant: str) -> None:
    """Check that the name of a variant sets the `parameter` that its file asks for.

    Raises:
        UserError: it sets none.
    """
    parameter = difference.get("parameter")
    if parameter is not None and not given:
        raise UserError(
            f"variant {variant!r} needs a value in its name, for example {variant}@{parameter}=4"
        )


def _check_names(content: dict[str, Any], known: list[str], where: str) -> None:
    for name in content:
        if name not in known:
            raise UserError(
                f"{where}: unknown key {name!r}{did_you_mean(name, known)}; there is: "
                f"{', '.join(known) or 'none'}"
            )


def _check_dicts(content: dict[str, Any], names: list[str], where: str) -> None:
    for name in names:
        value = content.get(name, {})
        if not isinstance(value, dict):
            raise UserError(f"{where}: {name}: wanted dict(...), got {value!r}")
