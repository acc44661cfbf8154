"""What the Snakefile asks about clips: which plan a data folder is made for, and from what."""

from __future__ import annotations

import re
from collections.abc import Iterable

from diccae.errors import UserError
from diccae.planned_job import data_key, impossible, unsuited
from diccae.plans import Plan


class DataFolders:
    """The plans whose clips are rendered, listed and decoded.

    They are those without changed values: what a data folder is made from, and the command that
    makes it, are the same whatever a plan changes.

    Args:
        plans: plans that could be read, whatever their number of seeds.
    """

    def __init__(self, plans: Iterable[Plan]) -> None:
        self.data_plans = list(plans)
        # what is wrong with each plan that was asked for, and with its clips; empty for nothing
        self._impossible: dict[str, str] = {}
        self._unsuited: dict[str, str] = {}

    def impossible(self, plan: Plan) -> str:
        """What is wrong with a plan, whatever its clips; empty if nothing is."""
        if plan.name not in self._impossible:
            self._impossible[plan.name] = impossible(plan)
        return self._impossible[plan.name]

    def _problem(self, plan: Plan) -> str:
        if plan.name not in self._unsuited:
            self._unsuited[plan.name] = self.impossible(plan) or unsuited(plan)
        return self._unsuited[plan.name]

    def data_plan(self, data_root: str) -> Plan:
        """The first plan that uses a data folder and that the clips suit; the first one if they
        suit none.

        Raises:
            SystemExit: plans that share it describe different data or ask for different modalities,
                or none of them can be used.
        """
        named = [plan for plan in self.data_plans if plan.data_root == data_root]
        sharing = [plan for plan in named if not self.impossible(plan)]
        if not sharing:
            raise SystemExit(f"diccae: {self.impossible(named[0])}")
        asked = {plan.modality: plan for plan in reversed(sharing)}
        if len(asked) > 1:
            words = " and ".join(f"{plan.name} for {m}" for m, plan in sorted(asked.items()))
            raise SystemExit(
                f"diccae: plans share {data_root} but ask for clips of different modalities, "
                f"{words}; give one another data_root, or set pretrain_modality: AV in the other"
            )
        if len({data_key(plan) for plan in sharing}) > 1:
            raise SystemExit(
                f"diccae: plans {', '.join(plan.name for plan in sharing)} share {data_root} but "
                "describe different data; give one another data_root"
            )
        return next((plan for plan in sharing if not self._problem(plan)), sharing[0])

    def data_key(self, data_root: str) -> str:
        """Changes when what a data folder is made from does."""
        return data_key(self.data_plan(data_root))

    def data_pattern(self, made_from: str) -> str:
        """Regular expression of the data folders that are rendered (`embedded`) or read from lists
        (`lists`); others bring their own manifest."""
        roots = {
            plan.data_root
            for plan in self.data_plans
            if (plan.lists is not None if made_from == "lists" else plan.dataset == "embedded")
        }
        return "|".join(sorted(re.escape(root) for root in roots)) or "no-such-data"

    def list_files(self, data_root: str) -> list[str]:
        """The lists that a manifest is made from.

        Raises:
            SystemExit: one is missing, and the manifest is not there either.
        """
        plan = self.data_plan(data_root)
        if plan.lists is None:
            return []
        try:
            return plan.lists.files()
        except UserError as error:
            # results that were copied from elsewhere need no lists: Snakemake takes a file that it
            # cannot make for one that was given
            if plan.manifest.is_file():
                return [path for source in plan.lists.sources for path in source.lists]
            raise SystemExit(f"diccae: plan {plan.name}, {error}") from None
