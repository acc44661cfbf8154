"""Writes docs/artifact.md: the artifact appendix, with the command, the cost and the result of each
claim.

    python docs/write_artifact.py

Claims and rules come from configs/claims.yaml, commands and disk space from the plans, minutes and
results from the shards and tables in results/reference. docs/artifact.md.jinja has the text. What
the reference lacks is said to be not computed yet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from diccae.artifact import ABLATIONS, SYSTEMS
from diccae.artifacts import artifacts_of
from diccae.clips_of_plan import count_each
from diccae.committed import FOLDER
from diccae.jobs import job_key
from diccae.planning import costs
from diccae.planning.speeds import kind_of
from diccae.planning.work import work_of
from diccae.plans import Plan, load_plan
from diccae.reporting import paper
from diccae.reporting.data_sets import drop_words
from diccae.reporting.findings import DIFFERENCE
from diccae.reporting.listed_files import check_listed
from diccae.reporting.shard_folder import shard_files
from diccae.reporting.shards import Shard, read
from diccae.run_graph import Run, scored_runs, with_parents
from diccae.sections import modalities_of

ROOT = Path(__file__).resolve().parent.parent
PAGE, TEMPLATE = ROOT / "docs" / "artifact.md", ROOT / "docs" / "artifact.md.jinja"
ABSENT = "not computed yet"
DEFAULT, CONTROLS, SYSTEM_PLANS = "embedded", "controls", ("embedded", "system-arms")
# the table or figure that states what a rule is about
OF_RULE = {"absolute": "table1", "change": "figure2", "gain": "figure3", "order": "table2"}
CORES = 2
# of a network: the largest of the embedded scale, rounded up
PARAMETERS = 400_000
GB = 1e9
# minutes of a person for one claim: to start a command, and to read a row
HUMAN = 2
PAPER = "Claims of the paper"
GROUPS = {
    "gaps": "What the papers of the other systems claim",
    "control": "Controls of the method",
}
# of the environment that `make setup` makes
SETUP_GB = 8


@dataclass(frozen=True)
class Claim:
    """A claim with the plan and the tables that state its numbers.

    Attributes:
        id, statement, rule: as in configs/claims.yaml.
        plan: name of the plan; empty for a claim that needs no run.
        artifacts: names of the tables and figures.
        result: what the committed reference says of it.
    """

    id: str
    statement: str
    rule: str
    plan: str
    artifacts: tuple[str, ...]
    result: str


@dataclass(frozen=True)
class Cost:
    """What it takes to compute some artifacts of a plan.

    Attributes:
        targets: of Snakemake, each as code.
        runs: number of trainings.
        minutes: on two cores, without rendering; None where the reference lacks the runs.
        disk: GB, clips and their cache included.
    """

    targets: str
    runs: int
    minutes: int | None
    disk: float


@cache
def plan_of(name: str) -> Plan:
    """A plan with the seeds that a command takes by default."""
    return load_plan(name).first_seeds()


def claims() -> list[Claim]:
    """Every claim of configs/claims.yaml, in its order."""
    content = paper.claims()
    found = []
    for claim in content["claims"]:
        if "verdict" in claim:
            found.append(
                _claim(claim, "stated", "", (), f"{claim['verdict']}. {claim['evidence']}")
            )
        else:
            found.append(_claim(claim, claim["rule"], DEFAULT, (_artifact(claim),)))
    for claim in content["system_claims"]:
        sides = [side for gap in claim["gaps"] for side in (gap[:2], gap[2:])]
        plan = next(name for name in SYSTEM_PLANS if _scores(plan_of(name), sides))
        tables = dict.fromkeys(_table_of(plan_of(plan), *side) for side in sides)
        found.append(_claim(claim, "gaps", plan, tuple(tables)))
    for claim in content["controls"]:
        found.append(_claim(claim, "control", CONTROLS, ("control_verdicts",)))
    return found


def _claim(
    claim: dict[str, Any], rule: str, plan: str, artifacts: tuple[str, ...], result: str = ""
) -> Claim:
    result = result or _result(plan, claim["id"])
    return Claim(claim["id"], claim["statement"], rule, plan, artifacts, result)


def _artifact(claim: dict[str, Any]) -> str:
    if claim["rule"] == "drop":
        return f"{ABLATIONS}{claim['variant']}"
    return "table1" if claim.get("test") == "av_gain" else OF_RULE[claim["rule"]]


def _scores(plan: Plan, sides: list[list[str]]) -> bool:
    known = modalities_of(plan.reported())
    return all(modality in known.get(variant, []) for variant, modality in sides)


def _table_of(plan: Plan, variant: str, modality: str) -> str:
    """The table of a system, or else the first one that scores it."""
    artifacts = artifacts_of(plan)
    names = [f"{SYSTEMS}{variant}", "avcl", "sensitivity"]
    return next(
        name
        for name in names
        if name in artifacts
        and any(need[:2] == (variant, modality) for need in artifacts[name].runs(plan))
    )


def _result(plan: str, claim: str) -> str:
    """Verdict and evidence in the committed reference."""
    of_controls = plan == CONTROLS
    path = ROOT / FOLDER / plan / ("control_verdicts.csv" if of_controls else "claims.csv")
    if not path.is_file():
        return ABSENT
    check_listed(path)
    rows = pd.read_csv(path).set_index("id").to_dict("index")
    if claim not in rows:
        return ABSENT
    row = rows[claim]
    if not of_controls:
        return f"{row['verdict']}: {row['evidence']}"
    return f"{drop_words(row, DIFFERENCE)}: {row['conclusion']}"


@cache
def cost(name: str, artifacts: tuple[str, ...]) -> Cost:
    """What some artifacts of a plan cost, or all of them where none is named."""
    plan = plan_of(name)
    known = artifacts_of(plan)
    needs = [need for artifact in artifacts or known for need in known[artifact].runs(plan)]
    runs = with_parents(scored_runs(plan, needs))
    targets = " ".join(f"`{plan.results_root()}/{artifact}.csv`" for artifact in artifacts)
    return Cost(targets, len(runs), minutes(plan, runs), disk(plan, runs))


@cache
def shards(plan: Plan) -> list[Shard]:
    """The shards of the seeds of a plan in the committed reference."""
    found = map(read, shard_files(ROOT / FOLDER / plan.name))
    return [shard for shard in found if shard.seed in plan.seeds]


def minutes(plan: Plan, runs: list[Run]) -> int | None:
    """Minutes that runs and the start of their jobs take on two cores, by the CPU time in the
    records of the committed reference; a seed that it lacks counts as the mean of the others."""
    root = plan.results_root() / "runs"
    seconds = []
    for shard in shards(plan):
        own = [run.folder.relative_to(root).as_posix() for run in runs if run.seed == shard.seed]
        if all(folder in shard.records for folder in own):
            seconds.append(sum(shard.records[folder]["cpu_seconds"] for folder in own))
    if not seconds:
        return None
    starts = costs.JOB_START_SECONDS * len({job_key(run) for run in runs})
    spent = sum(seconds) / len(seconds) * len(plan.seeds) + starts
    return math.ceil(spent / 60 / CORES)


def data_minutes() -> int | None:
    """Minutes of rendering and decoding the clips, by the committed reference."""
    found = [shard.data.get("timing", {}) for shard in shards(plan_of(DEFAULT))]
    if not found or not found[0]:
        return None
    return math.ceil(sum(step["wall_seconds"] for step in found[0].values()) / 60)


def disk(plan: Plan, runs: list[Run]) -> float:
    """GB of the clips, their cache and the files of runs."""
    clips = count_each(plan)[0]
    work = {run: work_of(run, clips) for run in runs}
    space = costs.disk(plan, clips.total, work, {kind_of(run): PARAMETERS for run in runs}, CORES)
    return space.total / GB


def page() -> str:
    """The page as Markdown."""
    every = claims()
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["cell"] = lambda text: " ".join(str(text).split()).replace("|", "\\|")
    environment.filters["minutes"] = lambda value: ABSENT if value is None else f"{value} minutes"
    text = environment.from_string(TEMPLATE.read_text()).render(
        groups={
            title: [
                (claim, cost(claim.plan, claim.artifacts))
                for claim in every
                if claim.plan and GROUPS.get(claim.rule, PAPER) == title
            ]
            for title in (PAPER, *GROUPS.values())
        },
        stated=[claim for claim in every if not claim.plan],
        whole=cost(DEFAULT, ()),
        human=HUMAN,
        data_minutes=data_minutes(),
        plan=plan_of(DEFAULT),
        all_seeds=len(load_plan(DEFAULT).seeds),
        rules=paper.claims()["rules"],
        sesoi=paper.claims()["tolerance"]["sesoi"][0],
        setup_gb=SETUP_GB,
        count=len(every),
    )
    return text.rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
