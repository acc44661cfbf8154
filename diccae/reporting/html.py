"""The report: one self-contained HTML file, rendered from result files only."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diccae.artifact import FOLDERS
from diccae.artifacts import TABLES, artifacts_of
from diccae.changed_values import changes_of
from diccae.errors import UserError
from diccae.functional.bootstrap import MIN_SEEDS
from diccae.plan_name import results_root_of
from diccae.plans import Plan
from diccae.reporting import (
    claims,
    clusters,
    collect,
    degrees,
    intervals,
    pairs,
    paper,
    pictures,
    sources,
    verdicts,
)
from diccae.reporting.against_reference import against_reference
from diccae.reporting.ambiguities import register
from diccae.reporting.data_sets import page_of_data_sets
from diccae.reporting.data_sets import records as records_of
from diccae.reporting.first_screen import first_screen
from diccae.reporting.listed_files import is_current
from diccae.reporting.make_command import make_command, verify_command
from diccae.reporting.page_templates import environment
from diccae.reporting.page_values import placed, quality, rows
from diccae.reporting.repetitions import number_of_seeds, repetition
from diccae.reporting.scored_clips import scored_clips
from diccae.reporting.timing import timing
from diccae.reporting.visible import visible_range
from diccae.stored_file import MAKE_AGAIN, read_json, reading
from diccae.whole_file import whole_file

ALL_TABLES = [artifact.name for artifact in TABLES]
# tables with a place in the template; all others follow in a separate section
SHOWN = {
    "table1",
    "table2",
    "sensitivity",
    "cluster_ce",
    "controls",
    "control_verdicts",
    "leakage",
    "learning_rates",
    "dose_response",
    "systems",
    "avcl",
    "figure2",
    "figure3",
    "mechanism",
    "pairs",
    "pair_slopes",
    "feature_quality",
    "effects",
    "claims",
}


def _single(plan: Plan) -> set[str]:
    """Tables of one variant, whose rows stand in others too."""
    return {name for name in artifacts_of(plan) if name.startswith(tuple(FOLDERS))}


def write_report(plan: Plan, out: Path) -> None:
    """Render the report of a plan; it states which sections the plan does not have, and that
    nothing was verified where verify.json is not of these tables and figures.

    Raises:
        UserError: a run that the report needs is missing, or verify.json is not what
            `diccae verify` writes.
    """
    root = plan.results_root()
    verdict = read_verdict(root / "verify.json", plan)
    page = render(plan, root, verdict if verdict and is_current(verdict, root) else None)
    with whole_file(out) as temporary:
        temporary.write_text(page, encoding="utf-8")


def render(plan: Plan, folder: Path, verdict: dict[str, Any] | None) -> str:
    """The report as HTML; the same files give the same text.

    Args:
        plan: the plan.
        folder: where its tables and figures are.
        verdict: content of verify.json, of which the page shows the root digest; None for a page
            that says that nothing was verified.

    Raises:
        UserError: a run that the report needs is missing.
    """
    templates = environment()
    templates.filters |= {"conclusion": pairs.conclusion, "level": verdicts.level_words}
    return templates.get_template("report.html.jinja").render(context(plan, folder, verdict))


def read_verdict(path: Path, plan: Plan) -> dict[str, Any] | None:
    """Content of a verify.json; None where there is none.

    Raises:
        UserError: it is not what `diccae verify` writes.
    """
    if not path.is_file():
        return None
    content = read_json(path, MAKE_AGAIN)
    if not {"sealed", "tables", "runs", "findings", "timing", "root"} <= set(content):
        raise UserError(
            f"{path} is not a file that this version of `diccae verify` writes; make it again: "
            f"diccae verify --plan {plan.name} --out {path}"
        )
    return content


def context(plan: Plan, folder: Path, verdict: dict[str, Any] | None) -> dict[str, Any]:
    """The variables of the template; the arguments are those of `render`."""
    artifacts = artifacts_of(plan)
    records = collect.all_records(plan)
    # both, where the plan scores both
    modality = max(plan.reference_modalities, key=len)
    reference = collect.record(plan, plan.reference, plan.seeds[0], modality)
    judged = records_of(claims.evaluate(plan))
    tables = {name: rows(folder / f"{name}.csv") for name in ALL_TABLES}
    first = (plan.reference, plan.seeds[0], modality)
    # each pair of classes is in all folds
    degree = degrees.degree(plan, *first).mean(axis=0)
    counts = degrees.confusion_matrix(plan, *first)
    names, scored = pictures.class_names(plan), scored_clips(plan)
    return {
        "plan": plan,
        "unchanged": plan.unchanged,
        "changes": changes_of(plan),
        "root": results_root_of(plan.name),
        "make_command": partial(make_command, plan),
        "verify_command": verify_command(plan),
        "embedded": plan.dataset == "embedded",
        "reference": reference,
        "records": _origin(records),
        # the files of Snakemake that it is read from may change after the seal
        "timing": timing(plan) if verdict is None else verdict["timing"],
        "verdict": verdict,
        "shards": sorted(sources.seeds_of_shards(plan)),
        "cache": pictures.cache_counts(plan),
        "splits": splits(plan),
        "scored": scored,
        "truth": collect.truth(plan),
        "modality": modality,
        "unit": repetition(plan),
        "number_of_seeds": number_of_seeds(plan),
        "over": intervals.sources(plan),
        "few": intervals.too_few(plan),
        "groups": collect.clips(plan, plan.reference, modality)["group"].nunique(),
        "tables": tables,
        "committed": against_reference(plan, folder),
        "data_sets": page_of_data_sets(plan),
        "visible": {name: visible_range(tables[name]) for name in ("table2", "sensitivity")},
        "others": [
            (name, artifact.help, rows(folder / f"{name}.csv"))
            for name, artifact in artifacts.items()
            if name not in SHOWN | _single(plan)
        ],
        "clusters": clusters.first_and_last(plan),
        "quality": quality(folder / "feature_quality.csv"),
        "paper": paper.claims(),
        "claims": placed(pd.DataFrame(judged), "claims"),
        **first_screen(plan, tables, judged, scored, len(names), len(records)),
        "classes": names,
        "counts": Counter(row["verdict"] for row in judged),
        "family": verdicts.primary_rows(plan),
        "error": verdicts.error(),
        "sizes": [f"{size:g}" for size in verdicts.effect_sizes()],
        "min_seeds": MIN_SEEDS,
        "paper_figure2": paper.claims()["figure2"],
        "register": register(plan),
        **_clips(plan, folder),
        "purity": pictures.purity(plan),
        "confusion": pictures.matrix(
            counts / np.maximum(1, counts.sum(1, keepdims=True)), names, "share of the true class"
        ),
        "degrees": pictures.matrix(degree, names, "degree (Eq. 2)"),
        "figures": {
            artifact.name: pictures.svg_file(folder / f"{artifact.name}.svg")
            if (folder / f"{artifact.name}.svg").is_file()
            else None
            for artifact in TABLES
            if artifact.draw
        },
    }


def _clips(plan: Plan, folder: Path) -> dict[str, Any]:
    """Sample clips and near-duplicates; none in another folder, whose page needs no decoder."""
    if plan.elsewhere:
        return {"clips": [], "clip_pairs": [], "seconds_of_sound": 0.0, "duplicates": None}
    from diccae.reporting.clip_pairs import clip_pairs
    from diccae.reporting.clip_sound import SECONDS
    from diccae.reporting.duplicates import duplicates
    from diccae.reporting.sample_clips import sample_clips

    return {
        "clips": sample_clips(plan),
        "clip_pairs": clip_pairs(plan),
        "seconds_of_sound": SECONDS,
        "duplicates": duplicates(plan, folder),
    }


def _origin(records: list[dict[str, Any]]) -> dict[str, Any]:
    # the runs of a page may come from several machines
    hardware = [record["hardware"] for record in records]
    return {
        "count": len(records),
        "commits": sorted(
            {
                record["commit"][:10] + (" with uncommitted changes" if record["dirty"] else "")
                for record in records
            }
        ),
        "data": sorted({record["data_hash"] for record in records}),
        "machines": sorted({f"{own['cpu']}, {own['gpu'] or 'no GPU'}" for own in hardware}),
        "hardware": sorted(
            {f"{own['cpu']}, {own['cores']} cores, {own['gpu'] or 'no GPU'}" for own in hardware}
        ),
        "peak": max(record["peak_rss_mb"] for record in records),
        "last": max(record["started"] for record in records),
    }


def splits(plan: Plan) -> list[dict[str, Any]]:
    """Clips of each split in the manifest, in words by source; empty where it is not known."""
    if sources.data_file(plan, plan.manifest) is None:
        return sources.shared_data(plan).get("splits", [])
    with reading(plan.manifest, MAKE_AGAIN):
        table = pd.read_parquet(plan.manifest, columns=["split", "source"])
    return [
        {
            "split": split,
            "clips": len(group),
            "sources": ", ".join(
                f"{name} {count}" for name, count in group["source"].value_counts().items()
            ),
        }
        for split, group in table.groupby("split", sort=False)
    ]
