"""What the first screen of a page says: what was asked, what came out, and what the data can show.

Every number is counted from the plan, from configs/claims.yaml and from the tables of its results
folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from diccae.plans import Plan
from diccae.reporting import findings, forest, paper, system_findings, verdict_words
from diccae.reporting.page_values import MINUS
from diccae.reporting.repetitions import number_of_seeds, repetition
from diccae.reporting.row_words import MODALITIES, Row, widest

Tables = Mapping[str, Sequence[Row] | None]
# plans whose runs are too short for their numbers to mean anything
TEST_RUNS = ("smoke",)
PAPER = (
    "Dynamic Inter-Class Confusion-Aware Encoder for Audio-Visual Fusion in Human Activity "
    "Recognition"
)
ABSENT = "Not part of this plan."


class Finding(NamedTuple):
    """A sentence on the results, and what it is about."""

    topic: str
    sentence: str


def first_screen(
    plan: Plan,
    tables: Tables,
    claims: list[Row],
    scored: dict[str, Any],
    classes: int,
    runs: int,
) -> dict[str, Any]:
    """The variables of the first screen.

    Args:
        plan: the plan.
        tables: rows of each table by name; None for those that the plan does not have.
        claims: rows of claims.csv.
        scored: as from `diccae.reporting.scored_clips.scored_clips`.
        classes: number of classes.
        runs: number of training runs that the tables come from.

    Returns:
        `asked`, `found` and `limits`, in sentences; `test_run`, whether the numbers mean nothing;
        `verdict_counts`; and `forest` with `picture`, `words`, `few` and `printed`,
        None without drops.
    """
    drops = forest.forest(tables.get("table2"), repetition(plan))
    return {
        "asked": question(plan, runs, scored["used"]),
        "found": sentences(plan, tables, scored["rows"]),
        "limits": limits(plan, classes, scored["listed"], scored["used"]),
        "test_run": plan.unchanged.name in TEST_RUNS,
        "verdict_counts": verdict_words.counts(plan, claims),
        "forest": drops
        and {
            "picture": forest.draw(drops),
            "words": forest.describe(drops),
            "few": drops.few,
            "printed": drops.printed,
        },
    }


def question(plan: Plan, runs: int, clips: int) -> str:
    """What the paper claims, and what the plan does to find out, in three sentences.

    Args:
        plan: the plan.
        runs: number of training runs that its results come from.
        clips: number of scored test clips.
    """
    drops = [
        drop
        for row in paper.claims()["table2"]
        if (drop := paper.printed_drop(row, "AV")) is not None
    ]
    whole = paper.printed("table2", paper.WHOLE, "AV")
    where = plan.dataset_name if plan.dataset != "embedded" else f"the {plan.dataset_name}"
    whose = ", the data set of the paper" if plan.dataset == "vggsound" else ""
    return (
        f"The paper “{PAPER}” (DICCAE) trains an encoder of sound and video with a loss in which "
        f"pairs of classes weigh more the more the encoder confuses them. It claims {whole} % on "
        f"VGGSound with audio and video (A-V), and that without one of {len(drops)} parts of the "
        f"method the accuracy falls by {min(drops)} to {max(drops)} points. The plan {plan.name} "
        f"asks what holds on {where}{whose}: {len(plan.variants())} variants and systems, "
        f"{number_of_seeds(plan)}, {runs:,} training runs, {clips:,} test clips."
    )


def sentences(plan: Plan, tables: Tables, scored: list[Row]) -> list[Finding]:
    """What came out, in five sentences, each by a rule that other pages share.

    Args:
        plan: says what a seed is and which variant is the full method.
        tables: rows of each table by name; None for those that the plan does not have.
        scored: the accuracy `top1` of the full method in percent in each `modality`; that of the
            one that holds the others is said where no table compares it with another one.
    """
    unit, full = repetition(plan), plan.reference
    effects, systems, controls = (
        tables.get(name) or [] for name in ("effects", "systems", "control_verdicts")
    )
    own = widest(scored)[0]
    alone = f"DICCAE reaches {own['top1']:.1f} % in {MODALITIES[own['modality']]}"
    said = {
        "The full method": system_findings.accuracy(systems, unit, full)
        or f"{alone}; training from scratch is not part of this plan",
        "Its parts": findings.parts(effects, unit, intervals=False),
        "Which pairs weigh more": findings.weights(effects, controls, unit),
        "Other systems": system_findings.others(systems, unit, full, intervals=False),
        "What can be seen": findings.visible(effects, unit),
    }
    return [Finding(topic, _sentence(words)) for topic, words in said.items()]


def limits(plan: Plan, classes: int, listed: int | None, used: int) -> str:
    """What the data of a plan can show and what not, in one or two sentences.

    Args:
        plan: the plan.
        classes: number of classes.
        listed: number of test clips in the manifest; None where it is not known.
        used: number of scored test clips.
    """
    alone = {"A": "sound", "V": "pictures"}.get(plan.modality)
    also = f" This plan uses {alone} alone; what the paper claims of both is not part of it."
    also = also if alone else ""
    if plan.dataset == "vggsound":
        of = f"{used:,} of {listed:,}" if listed is not None else f"{used:,}"
        return (
            f"VGGSound is the data set of the paper, so its accuracies and effects can be compared "
            f"with these, which are measured on {of} test clips.{also}"
        )
    rendered = plan.dataset == "embedded"
    what = f"The {classes} classes of rendered clips" if rendered else plan.dataset_name
    elsewhere = "real video" if rendered else "VGGSound"
    return (
        f"{what} can show whether an effect has the sign that the paper claims, but not confirm or "
        f"refute its accuracies or the size of an effect on {elsewhere}.{also}"
    )


def _sentence(words: str) -> str:
    """Words as a sentence, with real minus signs; that it is not part of the plan for none."""
    return MINUS.sub("−", f"{words[0].upper()}{words[1:]}.") if words else ABSENT
