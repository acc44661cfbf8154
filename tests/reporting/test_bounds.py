"""Bounds for missing test clips, against counts by hand, and their text in the report."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pandas as pd
import pytest

from diccae.artifacts import artifact_of
from diccae.datasets.clips import write_meta
from diccae.evaluation.bounds import bounds
from diccae.plans import Plan
from diccae.reporting import html, pictures
from diccae.reporting.scored_clips import scored_clips
from tests.reporting.conftest import CLASSES, PER_CLASS, SKILL

USED = CLASSES * PER_CLASS


def write_manifest(plan: Plan, test_clips: int, statuses: dict[str, int] | None = None) -> str:
    """Write a manifest and a cache index; returns 12 hex digits of the manifest's SHA-256.

    The manifest has `test_clips` test clips, the scored ones first. The index gives the status of
    the others.
    """
    ids = [f"test-{index:04d}" for index in range(test_clips)] + ["validation-0000"]
    manifest = pd.DataFrame(
        {
            "id": ids,
            "split": ["test"] * test_clips + ["validation"],
            "source": "b",
            "label": 0,
            "label_name": "class 0",
            "path": "",
        }
    )
    manifest.to_parquet(plan.manifest)
    status = ["ok"] * USED + [
        name for name, count in (statuses or {}).items() for _ in range(count)
    ]
    if len(status) == test_clips:
        # a missing clip of another split is not counted as a missing test clip
        manifest.assign(status=[*status, "missing"]).to_parquet(plan.cache_dir / "index.parquet")
    return hashlib.sha256(plan.manifest.read_bytes()).hexdigest()[:12]


def page(plan: Plan) -> str:
    """The text of the report, without markup."""
    out = plan.results_root() / "report.html"
    for name in ("table1", "leakage", "claims"):
        artifact_of(plan, name).make(plan, plan.results_root() / f"{name}.csv")
    html.write_report(plan, out)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", out.read_text()))


def test_bounds_are_the_counts_with_every_missing_clip_wrong_or_right() -> None:
    result = bounds(100 * 60 / 80, 80, 100)
    assert result.worst == pytest.approx(100 * 60 / 100)
    assert result.best == pytest.approx(100 * 80 / 100)
    assert (result.top1, result.used, result.listed) == (75.0, 80, 100)


def test_without_missing_clips_both_bounds_are_the_accuracy_itself() -> None:
    result = bounds(65.53, 15446, 15446)
    assert result.worst == result.top1 == result.best


@pytest.mark.parametrize(
    ("top1", "used", "listed"), [(50, 0, 10), (50, 11, 10), (101, 10, 10), (float("nan"), 10, 10)]
)
def test_impossible_counts_are_refused(top1: float, used: int, listed: int) -> None:
    with pytest.raises(ValueError, match="bounds: wanted"):
        bounds(top1, used, listed)


def test_headline_rows_count_listed_clips_that_were_not_used(fake: Plan) -> None:
    digest = write_manifest(fake, USED + 60, {"missing": 45, "no_audio": 15})
    result = scored_clips(fake)
    assert (result["manifest"], result["listed"], result["used"]) == (digest, USED + 60, USED)
    assert result["missing"] == {"missing": 45, "no_audio": 15}
    assert not result["complete"]
    assert [row["modality"] for row in result["rows"]] == ["A", "V", "AV"]
    # seed s has round(skill N) + s right answers; the headline is the mean over seeds
    right = round(SKILL["full"] * USED) + sum(fake.seeds) / len(fake.seeds)
    row = result["rows"][2]
    assert row["top1"] == pytest.approx(100 * right / USED)
    assert row["worst"] == pytest.approx(100 * right / (USED + 60))
    assert row["best"] == pytest.approx(100 * (right + 60) / (USED + 60))


def test_the_report_says_what_is_missing_and_why(fake: Plan) -> None:
    digest = write_manifest(fake, USED + 60, {"missing": 45, "no_audio": 15})
    text = page(fake)
    assert f"60 of {USED + 60} listed test clips were not used (45 missing, 15 no_audio)" in text
    # beside every table with accuracies, not only in its own
    assert f"Measured rows: n = {USED} of {USED + 60} test clips, manifest {digest}" in text
    assert f"Verdicts; accuracies: n = {USED} of {USED + 60} test clips, manifest {digest}" in text
    assert f"scored clips are test clips of manifest {digest}" in text


def test_the_report_says_in_one_sentence_that_nothing_is_missing(fake: Plan) -> None:
    write_manifest(fake, USED)
    text = page(fake)
    assert f"All {USED} listed test clips were used, so both bounds equal the accuracy." in text
    assert "were not used" not in text


def test_runs_of_another_manifest_get_no_bounds(fake: Plan) -> None:
    write_manifest(fake, 10)
    result = scored_clips(fake)
    assert result["unlisted"] == USED - 10
    assert [row["worst"] for row in result["rows"]] == [None] * 3
    assert "the runs used another manifest, and no bounds are given" in page(fake)


def test_without_the_manifest_the_report_says_so(fake: Plan) -> None:
    fake.manifest.unlink()
    result = scored_clips(fake)
    assert (result["listed"], result["manifest"], result["complete"]) == (None, None, False)
    assert result["rows"][0]["used"] == USED
    assert (
        "is not on this machine, so the number of listed test clips and the bounds are unknown"
        in page(fake)
    )


def test_a_plan_on_stored_features_needs_no_clip_cache(fake: Plan) -> None:
    modality = fake.reference_modalities[0]
    path = fake.run_folder("full", fake.seeds[0], modality=modality) / "record.json"
    record = json.loads(path.read_text())
    record["settings"]["features"] = {"name": "made"}
    path.write_text(json.dumps(record))
    (fake.cache_dir / "meta.json").unlink()
    folder = Path(fake.data_root) / "features" / "made"
    folder.mkdir(parents=True)
    counted = {"clips": 5, "counts": {"ok": 5}, "manifest_sha256": "0"}
    write_meta(folder, {**counted, "mode": "features"})
    assert pictures.cache_counts(fake) == counted
