"""Tables, verdicts and the report, against values worked out by hand from the synthetic runs."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from diccae.artifacts import artifact_of, artifacts_of
from diccae.errors import UserError
from diccae.plans import CONFIG_ROOT, Plan
from diccae.reporting import claims, html, tables
from diccae.reporting.ambiguities import ambiguities
from tests.reporting.conftest import CLASSES, PER_CLASS, SKILL, write_run

N = CLASSES * PER_CLASS
OTHER_SECTIONS = ("sensitivity", "cluster_ce", "figure2", "figure3", "leakage", "learning_rates")


def expected(variant: str, modality: str, seed: int) -> float:
    skill = SKILL.get(variant, 0.72) - {"A": 0.2, "V": 0.25, "AV": 0.0}[modality]
    return 100 * (round(skill * N) + seed) / N


def make(plan: Plan, name: str, root: Path) -> pd.DataFrame:
    """An artifact as it is written and read again."""
    path = root / f"{name}.csv"
    artifact_of(plan, name).make(plan, path)
    return pd.read_csv(path)


def write_all(plan: Plan, root: Path) -> None:
    for name in artifacts_of(plan):
        make(plan, name, root)


def test_table2_cells(fake: Plan, tmp_path: Path) -> None:
    table = make(fake, "table2", tmp_path).set_index(["variant", "modality"])
    own = [expected("no_infonce", "AV", seed) for seed in fake.seeds]
    full = [expected("full", "AV", seed) for seed in fake.seeds]
    row = table.loc[("no_infonce", "AV")]
    assert row["top1"] == pytest.approx(np.mean(own), abs=1e-3)
    assert row["drop"] == pytest.approx(np.mean(np.subtract(full, own)), abs=1e-3)
    assert row["paper"] == 61.6
    assert row["paper_drop"] == 3.9
    assert sorted(table.index[table["family"] == "primary"]) == sorted(
        (name, "AV") for name in tables.PRIMARY
    )
    assert table.loc[("no_kmeans", "AV"), "family"] == "exploratory"


def test_an_ablation_has_rows_for_itself_and_the_full_method_only(
    fake: Plan, tmp_path: Path
) -> None:
    table = make(fake, "ablations/no_infonce", tmp_path)
    assert set(table["variant"]) == {"full", "no_infonce"}


def test_leakage_arms_are_scored_on_clips_that_neither_used_as_update_set(
    fake: Plan, tmp_path: Path
) -> None:
    table = make(fake, "leakage", tmp_path).set_index("arm")
    assert table.loc["train_holdout", "n_test"] == N - N // 5
    assert table.loc["test_overlap, its update clips", "n_test"] == N // 5
    assert np.isfinite(table.loc["test_portion", "gain"])


def test_tuning_reads_validation_only(fake: Plan, tmp_path: Path) -> None:
    tuning = fake.model_copy(update={"tuning": fake.table1})
    for path in Path("results").rglob("predictions.parquet"):
        predictions = pd.read_parquet(path)
        metrics = json.loads(path.with_name("metrics.json").read_text())
        predictions.loc[predictions["split"] == "test", "top1"] = -1
        metrics["accuracy"]["test"] |= {"top1_single": 0.0, "top1_multi": 0.0}
        path.with_name("metrics.json").write_text(json.dumps(metrics))
        predictions.to_parquet(path, index=False)
    written = make(tuning, "tuning", tmp_path).set_index(["variant", "modality"])
    # 240 clips; with seed s, s more clips are right than the share in SKILL
    assert written.loc[("full", "AV"), "validation"] == pytest.approx(80 + 100 / 240, abs=1e-3)
    assert written.loc[("full", "AV"), "lowest"] == pytest.approx(80, abs=1e-3)


def test_table1_names_the_dataset_of_each_row(fake: Plan, tmp_path: Path) -> None:
    table = make(fake, "table1", tmp_path)
    measured = table["source"].str.startswith("measured")
    assert set(table.loc[measured, "dataset"]) == {"embedded benchmark"}
    assert set(table.loc[~measured, "dataset"]) == {"VGGSound"}
    assert len(table[~measured]) == 7


def test_an_edited_metrics_file_is_noticed(fake: Plan, tmp_path: Path) -> None:
    path = fake.run_folder("full", 1, modality="AV") / "metrics.json"
    content = json.loads(path.read_text())
    content["accuracy"]["test"]["top1_multi"] += 1
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match="one was edited") as error:
        make(fake, "table2", tmp_path)
    assert str(path) in str(error.value)


def test_a_missing_run_names_its_command(fake: Plan, tmp_path: Path) -> None:
    (fake.run_folder("no_infonce", 2, modality="A") / "predictions.parquet").unlink()
    with pytest.raises(
        UserError, match=re.escape("diccae train --plan fake --variant no_infonce --seed 2")
    ):
        make(fake, "table2", tmp_path)


def test_verdicts_follow_the_rules(fake: Plan) -> None:
    plan = four_seeds(fake)
    for seed in plan.seeds:
        write_run(plan, "no_dynamic_weighting", "AV", seed, SKILL["full"] + 0.02 * (seed - 1.5))
    verdicts = claims.evaluate(plan).set_index("id")["verdict"]
    assert verdicts["table2/no_infonce/AV"] == claims.DIRECTION
    assert verdicts["table2/no_refinement/AV"] == claims.CONTRADICTED
    assert verdicts["table2/no_dynamic_weighting/AV"] == claims.INCONCLUSIVE
    assert verdicts["table1/DICCAE/AV"] == claims.NOT_TESTABLE
    assert verdicts["text/drop_4.2"] == claims.SELF_CONTRADICTION
    assert verdicts["text/infonce_largest/AV"] == claims.DIRECTION
    assert verdicts["text/order/AV"] == claims.CONTRADICTED
    # A-V is better than A by the same 48 clips in every seed
    assert verdicts["text/avgain"] == claims.TOO_FEW


@pytest.mark.parametrize(
    ("values", "vggsound", "printed", "verdict"),
    [
        ([2.0, 2.1, 2.2, 2.1], False, 2.1, claims.DIRECTION),
        ([2.0, 2.1, 2.2, 2.1], True, 2.1, claims.REPRODUCED),
        ([2.0, 2.1, 2.2, 2.1], True, 9.0, claims.DIRECTION),
        ([-2.0, -2.1, -2.2, -2.1], True, 2.1, claims.CONTRADICTED),
        ([-1.0, 0.0, 1.1, 0.2], True, 2.1, claims.INCONCLUSIVE),
        ([5.0], True, 2.1, claims.TOO_FEW),
        ([2.0, 2.1, 2.2], True, 2.1, claims.TOO_FEW),
        ([-0.4, -0.4, -0.4, -0.4], False, 2.1, claims.TOO_FEW),
    ],
)
def test_a_difference_is_judged_by_its_interval(
    values: list[float], vggsound: bool, printed: float, verdict: str
) -> None:
    assert claims.judge_difference(np.array(values), vggsound, printed)[0] == verdict


def four_seeds(plan: Plan, variants: tuple[str, ...] = tuple(SKILL)) -> Plan:
    """Tables 1 and 2 of the plan with four seeds, whose drops differ by a few clips; the runs of
    some variants."""
    assert plan.table1
    table1 = plan.table1.model_copy(update={"variants": ["full"]})
    more = plan.model_copy(
        update=dict.fromkeys(OTHER_SECTIONS) | {"seeds": [0, 1, 2, 3], "table1": table1}
    )
    for variant, modalities in more.variants().items():
        for modality in modalities if variant in variants else ():
            for seed in more.seeds:
                if variant != "full" or seed not in plan.seeds:
                    skill = SKILL[variant] - {"A": 0.2, "V": 0.25, "AV": 0.0}[modality]
                    clips = 0 if variant == "full" else seed % 2
                    write_run(more, variant, modality, seed, skill + clips / N)
    return more


def test_four_seeds_have_paired_intervals(fake: Plan, tmp_path: Path) -> None:
    plan = four_seeds(fake, ("full", "no_infonce"))
    table = make(plan, "ablations/no_infonce", tmp_path).set_index(["variant", "modality"])
    row = table.loc["no_infonce", "AV"]
    own = [expected("no_infonce", "AV", seed) + 100 / N * (seed % 2) for seed in plan.seeds]
    full = [expected("full", "AV", seed) for seed in plan.seeds]
    low, high = stats.t.interval(0.95, 3, np.mean(own), stats.sem(own))
    assert [row["low"], row["high"]] == pytest.approx([low, high], abs=1e-3)
    test = stats.ttest_rel(full, own)
    interval = test.confidence_interval(0.95)
    assert row["drop_low"] == pytest.approx(interval.low, abs=1e-3)
    assert row["drop_high"] == pytest.approx(interval.high, abs=1e-3)
    assert row["p"] == pytest.approx(test.pvalue, abs=1e-4)
    assert row["drop_clip_low"] < row["drop"] < row["drop_clip_high"]


def test_a_small_p_value_is_not_zero() -> None:
    row = {"family": "primary", "p_holm": 0.00002}
    assert html._pvalue(row, "p_holm") == "< 0.001"
    assert html._pvalue(row | {"p_holm": 0.0123}, "p_holm") == "0.012"
    assert html._pvalue(row | {"p_holm": np.nan}, "p_holm") == "too few seeds"
    assert html._pvalue({"family": "exploratory", "p_holm": np.nan}, "p_holm") == "–"


def test_every_claim_has_a_rule_and_every_alias_a_target() -> None:
    content = yaml.safe_load((CONFIG_ROOT / "claims.yaml").read_text())
    ids = [claim["id"] for claim in content["claims"]]
    assert len(ids) == len(set(ids))
    for claim in content["claims"]:
        assert claim.get("rule") in content["rules"] or claim["verdict"] in claims.VERDICTS
    assert set(content["aliases"].values()) <= set(ids)
    assert all(remark["source"] for remark in content["remarks"])


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.resources: list[str] = []
        self.open: list[str] = []
        self.tables = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.resources += [str(values[key]) for key in ("src", "srcset") if key in values] + (
            [str(values["href"])] if tag == "link" else []
        )
        self.tables += tag == "table"
        if tag == "img":
            assert values.get("alt")
        if tag not in ("meta", "img", "br", "link", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_report_is_a_single_file_of_valid_html(fake: Plan) -> None:
    root = fake.results_root()
    write_all(fake, root)
    html.write_report(fake, root / "report.html")
    page = (root / "report.html").read_text()
    reader = _Reader()
    reader.feed(page)
    assert reader.open == []
    assert all(source.startswith("data:") for source in reader.resources)
    assert reader.tables >= 10
    first_screen = page[: page.index('<h2 id="run">')]
    assert "The embedded benchmark is not VGGSound" in first_screen
    assert "Full method, A-V, seed 0" in page
    assert "Macro" not in page
    # three seeds: no interval, no p, no verdict
    for path in root.rglob("*.csv"):
        table = pd.read_csv(path)
        ends = [c for c in table if c.endswith(("low", "high")) or c in ("p", "p_holm")]
        assert table[ends].isna().all(axis=None), path
    assert set(pd.read_csv(root / "claims.csv")["verdict"]) == {
        claims.TOO_FEW,
        claims.NOT_TESTABLE,
        claims.SELF_CONTRADICTION,
    }
    assert '<td>no_infonce</td><td>A-V</td><td class="n">55.4 <small>too few seeds</small>' in page
    # right in 38 of 240 clips with zeros for the video
    withheld = page[page.index('id="withheld"') :]
    assert withheld.index(">15.8 <") < withheld.index("</table>")
    assert "of which this plan has too few" in page
    assert (
        "nan"
        not in re.sub(r"<style>.*?</style>|base64,[^\"]*", "", page, flags=re.DOTALL)
        .lower()
        .split()
    )


def test_artifacts_are_the_same_bytes_twice(fake: Plan, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_all(fake, tmp_path / name)
    files = [path for path in (tmp_path / "one").rglob("*.*") if path.is_file()]
    assert len(files) == len(artifacts_of(fake)) + 2
    for path in files:
        other = tmp_path / "two" / path.relative_to(tmp_path / "one")
        assert path.read_bytes() == other.read_bytes(), path.name


def test_every_register_key_exists_in_the_composed_config(fake: Plan) -> None:
    settings = json.loads((fake.run_folder("full", 0, modality="AV") / "record.json").read_text())[
        "settings"
    ]
    entries = ambiguities(fake, settings)
    assert {entry["value"] for entry in entries if entry["key"] == "method.coverage"} == {0.95}
    documented = {
        entry["key"].removeprefix("method.")
        for entry in entries
        if entry["key"].startswith("method.")
    }
    # weighting is Table 2's own ablation, not an ambiguity
    assert set(settings["method"]) - documented == {"weighting"}
