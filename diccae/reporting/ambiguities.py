"""The register of open choices, each with its value in a run."""

from __future__ import annotations

from typing import Any

import yaml

from diccae.errors import UserError
from diccae.plans import CONFIG_ROOT, DEFAULT_SYSTEM, Plan
from diccae.reporting import collect
from diccae.reporting.systems import title
from diccae.sections import Need
from diccae.systems._known import origin_of_variant


def register(plan: Plan) -> list[dict[str, Any]]:
    """The open choices of every system that the report of a plan scores, that of the reference
    first.

    Returns:
        For each system its `title`, the `variant` whose first run gives the values (the system
        itself where the plan has it), and its `entries`, as `ambiguities` gives them. Systems
        without an open choice are left out.

    Raises:
        UserError: a run is missing, or an entry names a key that its settings do not have.
    """
    chosen: dict[str, Need] = {}
    for need in sorted(plan.reported(), key=lambda need: need.variant != plan.reference):
        origin = origin_of_variant(need.variant)
        name, known = origin.system.name, chosen.get(origin.system.name)
        if known is None or (origin.own and not origin_of_variant(known.variant).own):
            chosen[name] = need
    groups = []
    for need in chosen.values():
        seed = (plan.seeds if need.seeds is None else need.seeds)[0]
        settings = collect.record(plan, need.variant, seed, need.modality)["settings"]
        entries = ambiguities(plan, settings)
        groups.append(
            {"title": title(plan, need.variant), "variant": need.variant, "entries": entries}
        )
    return [group for group in groups if group["entries"]]


def ambiguities(plan: Plan, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """The entries of configs/ambiguities.yaml for the system of a run, each with the `value` of its
    key in that run. An entry without `system` is about DICCAE.

    Args:
        plan: gives the values of `pretrain_modality` and `table1.modalities`.
        settings: the settings in a run's record.

    Raises:
        UserError: an entry names a key that the settings do not have.
    """
    register = yaml.safe_load((CONFIG_ROOT / "ambiguities.yaml").read_text())
    entries = [e for e in register if e.get("system", DEFAULT_SYSTEM) == settings["system"]]
    of_plan = {
        "pretrain_modality": plan.modality,
        "table1": {"modalities": plan.table1.modalities if plan.table1 else None},
    }
    for entry in entries:
        value: Any = settings | of_plan
        for part in entry["key"].split("."):
            if not isinstance(value, dict) or part not in value:
                raise UserError(
                    f"configs/ambiguities.yaml names {entry['key']!r}, which the records of these "
                    "runs do not have; correct the key, or run the workflow again if the runs are "
                    "older than the entry"
                )
            value = value[part]
        entry["value"] = value
    return entries
