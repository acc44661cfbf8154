"""Whether a table compares what it says: systems on the same data, curves from their default."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from diccae.errors import UserError
from diccae.plans import SCORED_STAGE, Plan
from diccae.settings import settings_of

COMPARED = ("table1", "avcl")


def check_compared(plan: Plan) -> None:
    """Check that all variants of Table 1, and all of AVCL's table, have the same data.

    Raises:
        UserError: two variants differ in the clips that they read, or in how they read them; names
            both and the key.
    """
    for name in COMPARED:
        section = getattr(plan, name)
        if section is None:
            continue
        first, *others = section.variants
        wanted = dict(_data_of(plan, first))
        for variant in others:
            found = dict(_data_of(plan, variant))
            differing = [key for key in wanted if found[key] != wanted[key]]
            if differing:
                key = differing[0]
                raise UserError(
                    f"plan {plan.name}, {name}: {variant} has {key} {found[key]} and {first} "
                    f"{wanted[key]}, but {name} compares systems on the same data; leave one of "
                    f"them out of {name}, or give both the same"
                )


def check_defaults(plan: Plan) -> None:
    """Check that each variant of the section `dose_response` has, as it is, the value that its
    curve calls the default.

    Raises:
        UserError: it has another one; names the curve.
    """
    for curve in plan.dose_response.curves if plan.dose_response else ():
        named = f"{curve.variant}@{curve.named(curve.default)}"
        for stage in sorted(settings_of(plan, SCORED_STAGE, curve.variant).stages):
            if settings_of(plan, stage, named) != settings_of(plan, stage, curve.variant):
                raise UserError(
                    f"plan {plan.name}, dose_response: default {curve.default:g} of "
                    f"{curve.parameter} is not the value of {curve.variant}, whose runs stand for "
                    f"it, in stage {stage}; write its own value"
                )


def _data_of(plan: Plan, variant: str) -> Iterator[tuple[str, Any]]:
    """What decides which clips a variant reads, and how: dotted keys with their values."""
    settings = settings_of(plan, SCORED_STAGE, variant)
    for part in ("data", "cache"):
        for key, value in settings.base[part].items():
            yield f"{part}.{key}", value
    sources: list[str] = []
    update = "of other clips, or none"
    for stage in settings.system.stages:
        if stage.name in settings.stages:
            own = settings_of(plan, stage.name, variant)
            budget = own.schedule.stages[stage.name]
            use = settings.system.data_in(plan.modality, stage, own.choices, budget)
            sources += use.sources or ()
            update = "of test clips" if use.update == "test" else update
    yield "method.sources", ", ".join(dict.fromkeys(sources)) or "all"
    yield "an update set", update
