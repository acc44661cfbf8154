"""Stored features as the workflow plans them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from diccae.clips_folder import clips_folder
from diccae.feature_settings import features_of
from diccae.hashes import digest
from diccae.plans import Plan
from diccae.settings import dropped_list, plan_settings

# jobs that compute one set of features in profiles/slurm (`set-scatter`); one on a single machine
SHARES = 16


class FeatureJobs:
    """The sets of stored features of all plans, by folder.

    Args:
        plans: checked plans.

    Raises:
        SystemExit: two plans describe one set differently.
    """

    def __init__(self, plans: Iterable[Plan]) -> None:
        self.plans: dict[str, Plan] = {}
        for plan in plans:
            if features_of(plan_settings(plan)) is None:
                continue
            known = self.plans.setdefault(str(clips_folder(plan)), plan)
            if _key(known) != _key(plan):
                raise SystemExit(
                    f"diccae: plans {known.name} and {plan.name} share {clips_folder(plan)} but "
                    "describe different features; give one another features.name"
                )

    @property
    def pattern(self) -> str:
        """Regular expression of the folders."""
        return "|".join(map(re.escape, self.plans)) or "no-such-features"

    def plan(self, folder: str) -> str:
        """Name of the plan that a set is computed for."""
        return self.plans[folder].name

    def inputs(self, folder: str) -> list[str]:
        """The manifest and, where clips are decoded, the clip cache; and the list of
        near-duplicates that are left out, if there is one."""
        plan = self.plans[folder]
        features = features_of(plan_settings(plan))
        decoded = features is not None and features.encoded
        cache = [str(plan.cache_dir / "meta.json")] if decoded else []
        dropped = dropped_list(plan)
        return [str(plan.manifest), *cache, *([dropped] if dropped else [])]

    def stamps(self, folder: str, shares: int) -> list[str]:
        """The file of each share that says that its features are computed; none where one job
        computes all of them."""
        numbers = range(1, shares + 1) if shares > 1 else ()
        return [f"{folder}/shares/{number}-of-{shares}.done" for number in numbers]

    def key(self, folder: str) -> str:
        """Changes when what the features are made from does; a rule parameter."""
        return _key(self.plans[folder])


def _key(plan: Plan) -> str:
    base = plan_settings(plan)
    # noise and dropout act in training
    content = {k: v for k, v in base["features"].items() if k not in ("noise", "dropout")}
    return digest(json.dumps([content, base["cache"]], sort_keys=True))
