"""Where the runs of a plan read their clips."""

from __future__ import annotations

from pathlib import Path

from diccae.feature_settings import features_of
from diccae.hashes import data_hash
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


def clips_hash(plan: Plan) -> str:
    """Digest of the manifest and of what runs read, see `data_hash`.

    Raises:
        UserError: one of them is missing; names the command that makes it.
    """
    return data_hash(plan, clips_folder(plan), clips_command(plan))
