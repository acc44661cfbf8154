"""What the name of a plan changes, as tables and page say it: values before and now, and the
variants that keep their own. Reads configs without OpenMMLab, as reports do."""

from __future__ import annotations

import runpy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from diccae.plan_name import Value, split_name, value_text
from diccae.plans import CONFIG_ROOT, DEFAULT_SYSTEM, Plan
from diccae.systems._known import origin_of_variant, system_of

# of a value that no config states
NOWHERE = object()


@dataclass(frozen=True)
class Change:
    """One value that differs from that of the plan.

    Attributes:
        key: dotted key of the configs.
        value: the value now.
        before: that of the plan; `NOWHERE` where no config states one.
        kept: variants of the plan that set the key themselves, and keep their own value.
    """

    key: str
    value: Value
    before: Any
    kept: tuple[str, ...]

    def __str__(self) -> str:
        before = "" if self.before is NOWHERE else f" ({value_text(self.before)} in the plan)"
        return f"{self.key} = {value_text(self.value)}{before}"

    @property
    def exceptions(self) -> str:
        """Which variants keep their own value, as a sentence; empty for none."""
        end = "keeps its own value" if len(self.kept) == 1 else "keep their own values"
        return f"{', '.join(self.kept)} {end}." if self.kept else ""


def changes_of(plan: Plan) -> list[Change]:
    """The changed values of a plan, in the order of their keys; nothing for a plan as it is.

    Raises:
        UserError: the plan without the changes is not there any more.
    """
    changed = split_name(plan.name)[1]
    return [
        Change(key, value, value_of(plan.unchanged, key), _keeping(plan, key))
        for key, value in changed.items()
    ]


def value_of(plan: Plan, key: str) -> Any:
    """The value of a dotted key in a plan, before any variant; of a choice that DICCAE lacks, that
    of the first system of the plan that has it. `NOWHERE` if no config states it."""
    # the last one counts; an override may be a whole section
    for name, value in reversed(plan.overrides.items()):
        if name == key:
            return value
        if key.startswith(f"{name}."):
            return _find(value, key.removeprefix(f"{name}."))
    if key == "data.update_per_class" and plan.lists and plan.lists.update_per_class:
        return plan.lists.update_per_class
    names = [DEFAULT_SYSTEM, *(origin_of_variant(name).system.name for name in plan.variants())]
    part, _, choice = key.partition(".")
    if part == "method":
        names = [name for name in names if choice in system_of(name).choices.model_fields]
    places = [path for name in names[:1] for path in _places(plan, name)]
    return next((found for place in places if (found := _find(place, key)) is not NOWHERE), NOWHERE)


def _places(plan: Plan, system: str) -> Iterator[Mapping[str, Any]]:
    """Where a key is looked up, the first that has it counts."""
    own = _config(CONFIG_ROOT / "systems" / f"{system}.py")
    yield own.get("scales", {}).get(plan.scale, {})
    yield {"method": own.get("method", {})}
    for name in ("data", system_of(system).input_family, "schedule"):
        yield _config(CONFIG_ROOT / "base" / plan.scale / f"{name}.py")


def _find(content: Any, key: str) -> Any:
    for part in key.split("."):
        if not isinstance(content, Mapping) or part not in content:
            return NOWHERE
        content = content[part]
    return content


@lru_cache
def _config(path: Path) -> dict[str, Any]:
    return runpy.run_path(str(path)) if path.is_file() else {}


def _keeping(plan: Plan, key: str) -> tuple[str, ...]:
    part, _, choice = key.partition(".")
    found = []
    for variant in plan.variants():
        name, parameters = plan.split_variant(variant)
        stated = _config(CONFIG_ROOT / "variants" / f"{name}.py")
        parts = [*stated.values(), *stated.get("scales", {}).get(plan.scale, {}).values()]
        own = part == "method" and any(isinstance(p, Mapping) and choice in p for p in parts)
        if own or key in parameters:
            found.append(variant)
    return tuple(found)
