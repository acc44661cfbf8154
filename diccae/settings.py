"""base + variant + plan -> the choices of one run, before any of them becomes an mmengine config."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mmengine.config import Config

from diccae.errors import UserError
from diccae.plans import CONFIG_ROOT, Method, Plan, Schedule, checked


@dataclass(frozen=True)
class Settings:
    """The choices of one run after base, variant and plan were merged."""

    method: Method
    schedule: Schedule
    base: dict[str, Any]
    pretrained: bool
    finetuned: bool

    def as_record(self) -> dict[str, Any]:
        """What record.json keeps: the composed value of every choice, by the dotted keys that the ambiguity register names."""
        model = {
            key: self.base[key]
            for key in ("audio_encoder", "video_encoder", "video_input", "embedding_dim")
        }
        return {
            "method": self.method.model_dump(),
            "schedule": self.schedule.model_dump(),
            "model": model,
            "data": self.base["data"],
            "cache": self.base["cache"],
            "benchmark": self.base.get("benchmark"),
        }


@lru_cache
def _base(scale: str) -> Config:
    folder = CONFIG_ROOT / "base" / scale
    if not folder.is_dir():
        known = sorted(path.name for path in (CONFIG_ROOT / "base").iterdir() if path.is_dir())
        raise UserError(f"scale {scale!r} has no folder {folder}; known scales: {', '.join(known)}")
    merged = Config.fromfile(CONFIG_ROOT / "base" / "method.py")
    for name in ("data", "model", "schedule"):
        merged.merge_from_dict(Config.fromfile(folder / f"{name}.py").to_dict())
    return merged


@lru_cache
def _variant(name: str) -> dict[str, Any]:
    return Config.fromfile(CONFIG_ROOT / "variants" / f"{name}.py").to_dict()


def _set(config: dict[str, Any], key: str, value: Any, where: str) -> None:
    """Set a dotted key that must exist; a new key would be a typo that changes nothing."""
    *parents, last = key.split(".")
    node: Any = config
    for part in [*parents, last]:
        if not isinstance(node, dict) or part not in node:
            known = ", ".join(node) if isinstance(node, dict) else "nothing below it"
            raise UserError(
                f"{where}: no key {key!r} in configs/base; at {part!r} there is: {known}"
            )
        if part is not last:
            node = node[part]
    node[last] = value


@lru_cache
def _merged(plan_json: str, stage: str, variant: str) -> Settings:
    plan = Plan.model_validate_json(plan_json)
    try:
        name, parameters = plan.split_variant(variant)
    except ValueError as error:
        raise UserError(str(error)) from None
    config = _base(plan.scale).to_dict()
    difference = _variant(name)
    where = f"configs/variants/{name}.py"
    for layer in (difference, difference.get("scales", {}).get(plan.scale, {})):
        for part in ("method", "pretrain" if stage in ("pretrain", "warmup") else "finetune"):
            for key, value in layer.get(part, {}).items():
                _set(config, f"method.{key}", value, where)
    for key, value in {**plan.overrides, **parameters}.items():
        _set(
            config,
            key,
            value,
            f"plan {plan.name}, overrides"
            if key in plan.overrides
            else f"plan {plan.name}, parameters",
        )
    stages = {"pretrain": True, "finetune": True, **difference.get("stages", {})}
    return Settings(
        method=checked(Method, config.pop("method"), f"{where}, method"),
        schedule=checked(Schedule, config.pop("schedule"), f"plan {plan.name}, schedule"),
        base=config,
        pretrained=stages["pretrain"],
        finetuned=stages["finetune"],
    )


def settings_of(plan: Plan, stage: str, variant: str) -> Settings:
    return _merged(plan.model_dump_json(by_alias=True), stage, variant)


def needs_clusters(settings: Settings) -> bool:
    """Whether anything in pre-training reads cluster ids."""
    return settings.method.confusion_weight > 0 or settings.method.cluster_cross_entropy
