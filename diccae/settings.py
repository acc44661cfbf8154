"""base + system + plan + variant -> the choices of one run, before any of them becomes a config."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from diccae.config_file import merge, read_config
from diccae.data_settings import checked_sections
from diccae.errors import UserError
from diccae.plans import CONFIG_ROOT, DEFAULT_SYSTEM, Plan
from diccae.schedule import Schedule
from diccae.sections import Runtime
from diccae.seed_sets import seed_sets
from diccae.systems._known import known_systems, system_of
from diccae.systems.spec import System
from diccae.validation import checked, choices, did_you_mean
from diccae.variant_file import check_parts, check_value, part_of

# what a variant's file may hold beside the name of its system
VARIANT_PARTS = {"system", "inputs", "stages", "scales", "method", "parameter"}


@dataclass(frozen=True)
class Settings:
    """The choices of one stage of a variant after base, system, plan and variant were merged.

    Attributes:
        system: whose runs these are.
        choices: the system's method choices.
        schedule: budgets of all stages.
        runtime: kernels and threads.
        base: the rest of the merged config (`data`, `cache`, encoders, ...).
        stages: names of the stages that the variant has.
    """

    system: System[Any]
    choices: Any
    schedule: Schedule
    runtime: Runtime
    base: dict[str, Any]
    stages: frozenset[str]

    def as_record(self) -> dict[str, Any]:
        """What record.json keeps: the value of every choice, by the dotted keys that the ambiguity
        register names."""
        encoders = ("audio_encoder", "video_encoder", "video_input", "embedding_dim")
        model = {key: self.base[key] for key in encoders}
        features = self.base.get("features")
        return ({"features": features} if features else {}) | {
            "system": self.system.name,
            "method": self.choices.model_dump(),
            "schedule": self.schedule.as_record(),
            "runtime": self.runtime.model_dump(),
            "model": model,
            "data": self.base["data"],
            "cache": self.base["cache"],
            "benchmark": self.base.get("benchmark"),
        }


@lru_cache
def _config(name: str) -> dict[str, Any]:
    path = CONFIG_ROOT / f"{name}.py"
    return read_config(path) if path.is_file() else {}


def _base(scale: str, inputs: str, reader: str) -> dict[str, Any]:
    folder = CONFIG_ROOT / "base" / scale
    if not folder.is_dir():
        known = sorted(p.name for p in (CONFIG_ROOT / "base").iterdir() if p.is_dir())
        raise UserError(f"scale {scale!r} has no folder {folder}; known scales: {', '.join(known)}")
    if not (folder / f"{inputs}.py").is_file():
        raise UserError(
            f"scale {scale!r} has no encoders for inputs {inputs!r}, which {reader} reads: no "
            f"{folder / inputs}.py; leave {reader} out of the plan, choose other `inputs`, or add "
            "that file"
        )
    return {
        key: copy.deepcopy(value)
        for name in ("data", inputs, "schedule")
        for key, value in _config(f"base/{scale}/{name}").items()
    }


def _set(config: dict[str, Any], key: str, value: Any, where: str) -> None:
    """Set a dotted key that must exist; a new key would be a typo that changes nothing."""
    *parents, last = key.split(".")
    node: Any = config
    for part in [*parents, last]:
        if not isinstance(node, dict) or part not in node:
            known = list(node) if isinstance(node, dict) else []
            hint = did_you_mean(part, known) or f"; known: {', '.join(known) or 'none'}"
            if node is config and part in Plan.model_fields:
                hint = f"; {part!r} is a section of the plan: write it there, not in overrides"
            raise UserError(f"{where}: no key {key!r} in configs{hint}")
        if part is not last:
            node = node[part]
    node[last] = value


def _base_of(plan: Plan, system: System[Any], inputs: str, reader: str) -> dict[str, Any]:
    """The merged config of scale, input family and system; `reader` names it in errors."""
    config = _base(plan.scale, inputs, reader)
    if "benchmark" in config:
        config["benchmark"].setdefault("seed", seed_sets().data)
    defaults = _config(f"systems/{system.name}")
    unknown = sorted(set(defaults) - {"method", "scales"})
    if unknown:
        hint = did_you_mean(unknown[0], ("method", "scales"))
        raise UserError(f"configs/systems/{system.name}.py: unknown key {unknown[0]!r}{hint}")
    config["method"] = copy.deepcopy(defaults.get("method", {}))
    merge(config, defaults.get("scales", {}).get(plan.scale, {}))
    return config


def _override(plan: Plan, config: dict[str, Any], system: System[Any]) -> None:
    """What a plan sets. An override of a method key acts on the systems that have this key."""
    if plan.lists is not None and plan.lists.update_per_class:
        # the number of update clips that the manifest withholds; an override may take fewer
        config["data"]["update_per_class"] = plan.lists.update_per_class
    for key, value in plan.overrides.items():
        part, _, name = key.partition(".")
        if key == "data.drop_duplicates":
            # in no base config, so that the records of plans without it stay the same
            config["data"].setdefault(name, None)
        if key == "cache.format":
            config["cache"].setdefault(name, "raw")
        if part == "method" and name not in system.choices.model_fields and _some_system_has(name):
            continue
        _set(config, key, value, f"plan {plan.name}, overrides")


@lru_cache
def _some_system_has(choice: str) -> bool:
    return any(choice in system_of(name).choices.model_fields for name in known_systems())


@dataclass(frozen=True)
class Variant:
    """A variant's file, read and held against its system.

    Attributes:
        system: whose variant it is.
        difference: what differs from the defaults.
        stages: names of the stages that the variant has with these choices.
        parameters: dotted keys that its name sets, as `fixed_weight@w=4` does.
        where: the file, for errors.
    """

    system: System[Any]
    difference: dict[str, Any]
    stages: frozenset[str]
    parameters: dict[str, float]
    where: str


@lru_cache(maxsize=4096)
def variant_of(plan: Plan, variant: str) -> Variant:
    """The variant of that name.

    Raises:
        UserError: the variant, its system or a key is not known; names it and the file.
    """
    try:
        name, parameters = plan.split_variant(variant)
    except ValueError as error:
        raise UserError(str(error)) from None
    difference, where = _config(f"variants/{name}"), f"configs/variants/{name}.py"
    if not difference and name in known_systems():
        difference, where = {"system": name}, f"configs/systems/{name}.py"
    system = system_of(difference.get("system", DEFAULT_SYSTEM))
    names = {stage.name for stage in system.stages}
    unknown = sorted(set(difference) - VARIANT_PARTS - names)
    if unknown:
        hint = did_you_mean(unknown[0], [*VARIANT_PARTS, *names])
        raise UserError(f"{where}: unknown key {unknown[0]!r}{hint}")
    check_parts(difference, [stage.name for stage in system.stages], where)
    check_value(difference, parameters, variant)
    left_out = {key for key, wanted in difference.get("stages", {}).items() if not wanted}
    return Variant(system, difference, frozenset(names - left_out), parameters, where)


@lru_cache(maxsize=4096)
def settings_of(plan: Plan, stage: str, variant: str) -> Settings:
    """The settings of one stage of a variant of a plan.

    A variant's `method` acts on every stage but those that all variants share, and a part named for
    a stage on that stage alone. A value in the variant's name, as in `full@c=4`, acts on every
    stage in which no such part sets the same key.

    Raises:
        UserError: a key, a value, the stage or the system is not known; names the file and the key.
    """
    own = variant_of(plan, variant)
    system, where = own.system, own.where
    names = [known.name for known in system.stages if known.name in own.stages]
    if stage not in names:
        raise UserError(
            f"variant {variant!r} has no stage {stage!r}{choices(stage, names, 'its stages')}"
        )
    config = _base_of(plan, system, own.difference.get("inputs", system.input_family), variant)
    # first, so that a variant stays itself: without refinement it has none, whatever the plan says
    _override(plan, config, system)
    if not system.stage(stage).shared:
        for key, value in part_of(own.difference, "method", plan.scale).items():
            _set(config, f"method.{key}", value, where)
    for key, value in own.parameters.items():
        _set(config, key, value, f"plan {plan.name}, parameters")
    for key, value in part_of(own.difference, stage, plan.scale).items():
        _set(config, f"method.{key}", value, where)
    overridden = any(key.startswith("method.") for key in plan.overrides)
    where += f" with the overrides of plan {plan.name}" if overridden else ""
    method = checked(system.choices, config.pop("method"), f"{where}, method")
    schedule = checked(Schedule, config.pop("schedule"), f"plan {plan.name}, schedule")
    return Settings(
        system=system,
        choices=system.choices_for(plan.modality, method),
        schedule=system.budgets(schedule),
        base=config | checked_sections(config, f"plan {plan.name}"),
        runtime=plan.runtime,
        stages=frozenset(n for n in own.stages if system.stage(n).wanted_by(method)),
    )


@lru_cache(maxsize=256)
def plan_settings(plan: Plan) -> dict[str, Any]:
    """What no variant changes: `data`, `cache`, `benchmark`, encoders and `schedule` of a plan.

    Raises:
        UserError: a key of the plan's overrides is not known.
    """
    system = system_of(DEFAULT_SYSTEM)
    config = _base_of(plan, system, system.input_family, f"system {system.name}")
    _override(plan, config, system)
    return config | checked_sections(config, f"plan {plan.name}")


def dropped_list(plan: Plan) -> str | None:
    """Path of the list of near-duplicates that no run of a plan takes; None without one."""
    name: str | None = plan_settings(plan)["data"].get("drop_duplicates")
    return name
