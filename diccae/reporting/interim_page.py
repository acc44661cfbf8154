"""The page while a plan is computed: progress, and means over the seeds that are complete.

Before there is one, it has accuracies of the first seed, as far as its variants are finished.

It shows neither intervals nor verdicts: who looks at these seed by seed stops at one that pleases.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from diccae.artifacts import TABLES
from diccae.plans import Plan
from diccae.reporting import collect
from diccae.reporting.page_templates import environment
from diccae.reporting.repetitions import repetition

NAME = "interim.html"


class SeedProgress(NamedTuple):
    """How many jobs of a seed are finished, how many it has, and which variants are finished."""

    seed: int
    finished: int
    jobs: int
    variants: frozenset[str]

    @property
    def complete(self) -> bool:
        """Whether all are."""
        return self.finished == self.jobs


def interim_path(plan: Plan) -> Path:
    """Where the page lies. Not under the name of the report: Snakemake would take a file of that
    name for the finished report."""
    return plan.results_root() / NAME


def render_interim(plan: Plan, progress: Sequence[SeedProgress]) -> str:
    """The page as HTML.

    Args:
        plan: the plan, with the seeds that are asked for.
        progress: of each of these seeds.

    Raises:
        UserError: a run of a complete seed is missing or damaged.
    """
    complete = [each for each in progress if each.complete]
    shown = complete or progress[:1]
    seeds = [each.seed for each in shown]
    variants = frozenset.intersection(*(each.variants for each in shown))
    template = environment().get_template("interim.html.jinja")
    return template.render(
        plan=plan,
        unit=repetition(plan),
        progress=progress,
        complete=len(complete),
        shown=seeds,
        tables=_tables(plan.model_copy(update={"seeds": seeds}), variants),
        written=f"{datetime.now().astimezone():%Y-%m-%d %H:%M %Z}",
    )


def _tables(plan: Plan, variants: frozenset[str]) -> list[dict[str, Any]]:
    """Mean accuracies of the rows of each table: `name`, `modalities`, and `rows` with the variant
    and the mean in each modality; None where it is not scored. A table whose rows all stand in an
    earlier one is left out, and so are variants other than those given."""
    shown: set[tuple[str, str]] = set()
    tables = []
    for artifact in TABLES:
        scored = [each for each in plan.scored(artifact.runs(plan)) if each.seed in plan.seeds]
        seeds: dict[tuple[str, str], list[int]] = {}
        for each in scored:
            if each.variant not in variants:
                continue
            seeds.setdefault((each.variant, each.modality), []).append(each.seed)
        if not seeds.keys() <= shown:
            shown |= seeds.keys()
            modalities = [m for m in ("A", "V", "AV") if any(m == own for _, own in seeds)]
            rows = {variant: dict.fromkeys(modalities) for variant, _ in seeds}
            for (variant, modality), own in seeds.items():
                mean = collect.accuracy(plan, variant, modality, seeds=own).mean()
                rows[variant][modality] = float(mean)
            tables.append({"name": _title(artifact.name), "modalities": modalities, "rows": rows})
    return tables


def _title(name: str) -> str:
    """`table2` -> `Table 2`, `learning_rates` -> `Learning rates`."""
    return re.sub(r"(\d)", r" \1", name).replace("_", " ").capitalize()
