"""Every table and figure: its name, the runs that it is computed from, and the function that
computes it. Command line, Snakefile, verifier, comparison, report and planner read this list."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from diccae.artifact import ABLATIONS, FOLDERS, SYSTEMS, Artifact, parts_of_name
from diccae.errors import UserError
from diccae.plans import Plan
from diccae.sections import Need
from diccae.validation import choices


def _section(name: str, plan: Plan) -> list[Need]:
    section = getattr(plan, name)
    return [] if section is None else section.needs()


def _ablation(name: str, plan: Plan) -> list[Need]:
    needs = _section("table2", plan)
    return [need for need in needs if need.variant in (plan.reference, name)]


def _system(name: str, plan: Plan) -> list[Need]:
    # at the common rate and at the one that was chosen for it
    return [need for need in _section("table1", plan) if need.variant.partition("@")[0] == name]


def _effects(plan: Plan) -> list[Need]:
    return [*_section("table2", plan), *_section("figure3", plan)]


def _compared(plan: Plan) -> list[Need]:
    """Table 1, where it has variants beside the reference."""
    needs = _section("table1", plan)
    return needs if any(need.variant != plan.reference for need in needs) else []


ROW = ("variant", "modality")
TABLES = (
    Artifact(
        "table1",
        partial(_section, "table1"),
        "table1:table1",
        ("system", "dataset"),
        "Table 1: A, V and A-V of this plan beside the printed rows.",
    ),
    Artifact(
        "table2",
        partial(_section, "table2"),
        "tables:table2",
        ROW,
        "Table 2: the reference and its ablations, with intervals and paired drops.",
    ),
    Artifact(
        "sensitivity",
        partial(_section, "sensitivity"),
        "tables:sensitivity",
        ROW,
        "The full method under each other reading of an open choice.",
    ),
    Artifact(
        "cluster_ce",
        partial(_section, "cluster_ce"),
        "tables:cluster_ce",
        ("cluster_cross_entropy", *ROW),
        "The headline rows with and without cross entropy on cluster ids.",
    ),
    Artifact(
        "controls",
        partial(_section, "controls"),
        "controls:controls",
        ROW,
        "Controls and opponents of the method: accuracy, and the full method minus each.",
    ),
    Artifact(
        "control_verdicts",
        partial(_section, "controls"),
        "controls:control_verdicts",
        ("id",),
        "What follows from the controls, by the rules of configs/claims.yaml.",
    ),
    Artifact(
        "leakage",
        partial(_section, "leakage"),
        "diagnostics:leakage",
        ("arm", "modality"),
        "The leakage twin: where the update set comes from.",
    ),
    Artifact(
        "learning_rates",
        partial(_section, "learning_rates"),
        "diagnostics:learning_rates",
        (*ROW, "lr"),
        "A small grid of learning rates for every variant.",
    ),
    Artifact(
        "dose_response",
        partial(_section, "dose_response"),
        "dose_response:dose_response",
        (*ROW, "parameter", "value"),
        "Accuracy as a function of a number, such as the weight of the confusion loss.",
        draw="dose_response:draw_dose_response",
    ),
    Artifact(
        "tuning",
        partial(_section, "tuning"),
        "selection:tuning",
        ROW,
        "Validation accuracy of the settings that learning rates are chosen from.",
    ),
    Artifact(
        "spread",
        partial(_section, "spread"),
        "selection:spread",
        ("modality",),
        "Spread of a drop between seeds, from one variant under several random streams.",
    ),
    Artifact(
        "figure2",
        partial(_section, "figure2"),
        "figures:figure2",
        ("model", "seed"),
        "Figure 2: distribution of the degrees of confusion with and without DICCAE.",
        draw="figures:draw_figure2",
    ),
    Artifact(
        "figure3",
        partial(_section, "figure3"),
        "figures:figure3",
        ("weighting", "weight"),
        "Figure 3: accuracy against fixed confusion weights, dynamic weighting as a line.",
        draw="figures:draw_figure3",
    ),
    Artifact(
        "mechanism",
        partial(_section, "mechanism"),
        "mechanism:mechanism",
        ("stage", "epoch", "quantity"),
        "By epoch: weights of pairs, shares of loss and gradient, and purity of the clusters.",
        draw="mechanism:draw_mechanism",
    ),
    Artifact(
        "pairs",
        partial(_section, "mechanism"),
        "pairs:pairs",
        ("first", "second"),
        "The most confused pairs of classes: degree, weight, and error with and without it.",
        section="mechanism",
    ),
    Artifact(
        "pair_slopes",
        partial(_section, "mechanism"),
        "pairs:pair_slopes",
        ("seed",),
        "The change in a pair's error against its weight, over all pairs of classes.",
        section="mechanism",
    ),
    Artifact(
        "systems",
        _compared,
        "systems:systems",
        ROW,
        "The systems of Table 1: differences to DICCAE and to training from scratch, and costs.",
        draw="systems:draw_systems",
    ),
    Artifact(
        "avcl",
        partial(_section, "avcl"),
        "systems:avcl",
        ROW,
        "AVCL, in our interpretation, whole and without each of its modules.",
    ),
    Artifact(
        "feature_quality",
        Plan.reported,
        "diagnostics:feature_quality",
        (*ROW, "seed"),
        "Degrees of confusion of every run, against accuracy and against the generator's truth.",
    ),
    Artifact(
        "effects",
        _effects,
        "effects:effects",
        ("claim", "modality"),
        "Drops of Table 2 and gains of Figure 3 with their verdicts, which `diccae summary` reads.",
    ),
    Artifact(
        "claims",
        Plan.reported,
        "claims:evaluate",
        ("id",),
        "The verdict on each claim of the paper, by the rules of configs/claims.yaml.",
    ),
)
SINGLE = {
    ABLATIONS: Artifact(
        ABLATIONS, lambda plan: [], "tables:ablation", ROW, "One ablation against the reference."
    ),
    SYSTEMS: Artifact(SYSTEMS, lambda plan: [], "systems:system", ROW, "One system of Table 1."),
}


def artifacts_of(plan: Plan) -> dict[str, Artifact]:
    """Every artifact that a plan has, by name."""
    found = {artifact.name: artifact for artifact in TABLES if artifact.runs(plan)}
    for folder, section, runs in (
        (ABLATIONS, plan.table2, _ablation),
        (SYSTEMS, plan.table1, _system),
    ):
        for variant in section.variants if section else ():
            # a value in the name, as in `mbt@lr=0.001`, is no name of a file
            if variant != plan.reference and "@" not in variant:
                name = f"{folder}{variant}"
                found[name] = replace(SINGLE[folder], name=name, runs=partial(runs, variant))
    return found


def artifact_of(plan: Plan, name: str) -> Artifact:
    """An artifact of a plan by name (`table2`, `ablations/no_infonce`, `systems/mbt`).

    Raises:
        UserError: the plan has none of that name; names those that it has.
    """
    known = artifacts_of(plan)
    if name in known:
        return known[name]
    folder, wanted = parts_of_name(name)
    if folder in SINGLE:
        names = [key.removeprefix(folder) for key in known if key.startswith(folder)]
        tables = (a.name for a in known.values() if wanted in {n.variant for n in a.runs(plan)})
        place = next(tables, None)
        table = "table2" if folder == ABLATIONS else "table1"
        raise UserError(
            f"plan {plan.name} has no {FOLDERS[folder]} {wanted!r} in {table}"
            + (f" (it is in {place})" if place else "")
            + choices(wanted, names, "it has")
        )
    raise UserError(f"plan {plan.name} has no artifact {name!r}{choices(name, known, 'it has')}")


def columns_of(table: Path) -> tuple[str, ...]:
    """Columns that name a row of a CSV file of a results folder; none for an unknown table."""
    folder = f"{table.parent.name}/"
    if folder in SINGLE:
        return SINGLE[folder].columns
    return next((artifact.columns for artifact in TABLES if artifact.name == table.stem), ())
