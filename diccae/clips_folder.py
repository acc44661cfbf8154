"""Where the runs of a plan read their clips."""

from __future__ import annotations

from pathlib import Path

from diccae.feature_settings import features_of
from diccae.plans import Plan
from diccae.settings import plan_settings


def clips_folder(plan: Plan) -> Path:
    """The folder of the plan's stored features or, without them, its clip cache."""
    features = features_of(plan_settings(plan))
    if features is None:
        return plan.cache_dir
    return Path(plan.data_root) / "features" / features.name


def clips_command(plan: Plan) -> str:
    """The command that makes that folder."""
    step = "cache" if features_of(plan_settings(plan)) is None else "features"
    return f"diccae data {step} --plan {plan.name}"
