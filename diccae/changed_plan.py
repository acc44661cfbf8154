"""Whether the values that the name of a plan changes can be changed, and whether a run differs."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from diccae.changed_values import changes_of
from diccae.errors import UserError
from diccae.plan_name import Value, split_name, value_text
from diccae.plans import Plan
from diccae.run_graph import Run, check, runs_of_a_seed
from diccae.settings import plan_settings
from diccae.systems._known import known_systems, system_of

# what the clips and their features are made from, but for what acts in training
SHARED = ("benchmark.", "cache.", "features.")
IN_TRAINING = ("features.noise", "features.dropout")
# sections whose content depends on the type of the encoder, and has no model of its own
ENCODERS = ("audio_encoder.", "video_encoder.")


def check_keys(plan: Plan) -> None:
    """Check that the keys that the name of a plan changes exist and concern its runs alone.

    Raises:
        UserError: a key is unknown, or describes the clips, which plans share.
    """
    before = plan.unchanged
    for key, value in split_name(plan.name)[1].items():
        where = f"plan {before.name} with {key}={value_text(value)}"
        known = list(_known_keys(before))
        if key not in known:
            raise UserError(f"{where}: unknown key{_nearest(key, known)}")
        if key.startswith(SHARED) and key not in IN_TRAINING:
            raise UserError(
                f"{where}: {key} describes the clips, which are shared with the results of the "
                f"plan; copy configs/plans/{before.name}.yaml to a plan with another name and "
                "data_root, and set it there"
            )
        if key.startswith(ENCODERS):
            _check_kind(where, value, dict(_values(plan_settings(before)))[key])


def check_changes(plan: Plan) -> None:
    """Check a plan with changed values: its keys, and every run of its first seed.

    Raises:
        UserError: a key is unknown, or a value has the wrong type, is out of range or does not fit
            to the others.
    """
    check_keys(plan)
    check(plan)


def check_effect(plan: Plan) -> list[str]:
    """Check that the changed values of a plan change a run of it.

    Returns:
        A sentence for each of them that variants of the plan do not follow.

    Raises:
        UserError: every run is that of the plan without the changes.
    """
    changes = changes_of(plan)
    kept = [f"{change.key}: {change.exceptions}" for change in changes if change.kept]
    if changes and not any(_differs(run, plan.unchanged) for run in runs_of_a_seed(plan)):
        words = "; ".join([", ".join(map(str, changes)), *kept])
        raise UserError(
            f"plan {plan.unchanged.name} with {words}: no run of the plan would change; change a "
            "value that one of its variants uses"
        )
    return kept


def _differs(run: Run, before: Plan) -> bool:
    mine, theirs = _content(run), _content(replace(run, plan=before))
    return mine.replace(str(run.plan.results_root()), str(before.results_root())) != theirs


def _content(run: Run) -> str:
    return json.dumps(run.config().to_dict(), sort_keys=True, default=str)


def _known_keys(plan: Plan) -> Iterator[str]:
    """Dotted keys of the configs, and the choices of every system."""
    yield from dict(_values(plan_settings(plan)))
    for name in known_systems():
        yield from (f"method.{choice}" for choice in system_of(name).choices.model_fields)


def _values(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        yield f"{prefix}{name}", value
        if isinstance(value, Mapping):
            yield from _values(value, f"{prefix}{name}.")


def _nearest(key: str, known: list[str]) -> str:
    first, last = key.split(".")[0], key.rpartition(".")[2]
    if first == "seeds":
        return "; it is the option --seeds, and --config seeds= of Snakemake"
    if first in Plan.model_fields:
        return f"; {first!r} is a section of the plan: copy the plan and write it there"
    same = [name for name in known if name.rpartition(".")[2] == last]
    near = same or difflib.get_close_matches(key, known, n=1)
    names = " or ".join(map(repr, dict.fromkeys(near)))
    sections = dict.fromkeys(name.split(".")[0] for name in known)
    return f"; did you mean {names}?" if near else f"; known sections: {', '.join(sections)}"


def _check_kind(where: str, value: Value, before: Any) -> None:
    """An encoder's value must be of the kind that it replaces."""
    wanted = _kind(before)
    if before is not None and _kind(value) != wanted:
        raise UserError(f"{where}: wanted {wanted}, as {before!r} is, got {value!r}")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    return "a word" if isinstance(value, str) else "several values"
