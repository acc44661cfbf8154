"""The register of open choices, each with its value in a run."""

from __future__ import annotations

from typing import Any

import yaml

from diccae.errors import UserError
from diccae.plans import CONFIG_ROOT, DEFAULT_SYSTEM, Plan


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
