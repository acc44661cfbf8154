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
from diccae.reporting import claims, html, verdicts
from diccae.reporting.ambiguities import ambiguities
from diccae.sections import Tuning
from tests.reporting.conftest import CLASSES, PER_CLASS, SKILL, write_run

N = CLASSES * PER_CLASS
OTHER_SECTIONS = (
    "sensitivity",
    "cluster_ce",
    "figure2",
    "figure3",
    "mechanism",
    "leakage",
    "learning_rates",
)


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
    odds = [np.log((p * N + 50) / (N * (100 - p) + 50)) for p in (np.array(full), np.array(own))]
    assert row["drop_log_odds"] == pytest.approx((odds[0] - odds[1]).mean(), abs=1e-3)
    assert row["paper_drop_log_odds"] == pytest.approx(np.log(65.5 / 34.5 * 38.4 / 61.6), abs=1e-4)
    primary = table[table["family"] == "primary"]
    assert sorted(primary.index) == sorted(
        (name, "AV") for name in SKILL if name not in ("full", "from_scratch")
    )
    assert set(primary["family_size"]) == {7}
    assert set(primary["verdict"]) == set(primary["verdict_at_0.5"]) == {verdicts.TOO_FEW}
    assert table.loc[table["family"] != "primary", "verdict"].isna().all()


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
    tuning = fake.model_copy(
        update={"tuning": Tuning(**fake.table1.model_dump(exclude={"at_chosen_rates"}))}
    )
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
    assert table["source"].str.startswith("printed").sum() == 7


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


def test_verdicts_follow_the_rules(fake: Plan, tmp_path: Path) -> None:
    plan = four_seeds(fake)
    for seed in plan.seeds:
        write_run(plan, "no_dynamic_weighting", "AV", seed, SKILL["full"] + 0.005 * (seed - 1.5))
    # one clip more in a seed, so that no gap to another variant is equal in all seeds
    write_run(plan, "no_infonce", "AV", 3, SKILL["no_infonce"] + 2 / N)
    table = claims.evaluate(plan).set_index("id")
    judged = table["verdict"]
    assert judged["table2/no_infonce/AV"] == "same direction here"
    assert judged["table2/no_refinement/AV"] == "opposite direction here"
    assert judged["table2/no_dynamic_weighting/AV"] == verdicts.TOO_FEW
    assert judged["table1/DICCAE/AV"] == claims.NOT_TESTABLE
    assert judged["text/drop_4.2"] == claims.SELF_CONTRADICTION
    assert judged["text/infonce_largest/AV"] == "confirmed here"
    assert judged["text/order/AV"] == "contradicted here"
    contradicted = "no_refinement over no_dynamic_weighting: -"
    assert table.loc["text/order/AV", "evidence"].startswith(contradicted)
    assert "(98.8 %); holds in 0 % of" in table.loc["text/order/AV", "evidence"]
    # gaps that are equal in all seeds
    assert judged["text/infonce_largest/A"] == verdicts.TOO_FEW
    # A-V is better than A by the same 48 clips in every seed
    assert judged["text/avgain"] == verdicts.TOO_FEW
    assert set(table.index[table["family"] == "primary"]) == {
        name for name in table.index if name.startswith("table2/") and name.endswith("/AV")
    }
    assert set(table.loc[["table2/no_infonce/A", "text/order/AV"], "family"]) == {"exploratory"}
    # the evidence of a primary row is its simultaneous interval, of an exploratory one that of 95 %
    full = np.array([expected("full", "AV", seed) for seed in plan.seeds])
    more = np.array([0, 1, 0, 2]) * 100 / N
    own = np.array([expected("no_infonce", "AV", seed) for seed in plan.seeds]) + more
    low, high = stats.t.interval(1 - 0.05 / 7, 3, np.mean(full - own), stats.sem(full - own))
    row = make(plan, "table2", tmp_path).set_index(["variant", "modality"]).loc["no_infonce", "AV"]
    ends = [row["simultaneous_low"], row["simultaneous_high"]]
    assert ends == pytest.approx([low, high], abs=1e-3)
    words = f"{np.mean(full - own):+.2f} [{low:+.2f}, {high:+.2f}] (99.3 %)"
    assert table.loc["table2/no_infonce/AV", "evidence"] == words
    assert table.loc["table2/no_infonce/A", "evidence"].endswith("(95 %)")


def test_the_best_fixed_weight_is_chosen_without_the_scored_seed(fake: Plan) -> None:
    more = fake.model_copy(
        update={name: None for name in OTHER_SECTIONS if name != "figure3"}
        | {"seeds": [0, 1, 2, 3], "table1": None, "table2": None}
    )
    # each weight is good with one seed, in validation as in the test
    for place, variant in enumerate(("fixed_weight@w=0", "fixed_weight@w=1", "fixed_weight@w=16")):
        for seed in more.seeds:
            write_run(more, variant, "A", seed, 0.5 + 0.1 * (seed == place + 1) - seed / N)
    for seed in more.seeds:
        write_run(more, "no_kmeans", "A", seed, 0.5)
    row = claims.evaluate(more).set_index("id").loc["fig3/dynamic_better"]
    # with a seed, the weight that is good with it is not among the best with the others
    assert row["evidence"].startswith("dynamic over the best fixed weight: +0.62 ")


@pytest.mark.parametrize(
    ("values", "statistic", "evidence"),
    [
        # the ratio of the variances is 2, whatever their size
        ([[1.0, 2.1], [50.0, 100.0], [2.0, 4.0], [1.0, 2.0]], "variance", "logarithm of +0.71"),
        ([[1.0, 2.1], [50.0, 100.0], [2.0, 4.0], [1.0, 2.0]], "mean", "fall of +13.53"),
        ([[0.0, 2.0], [50.0, 100.0], [2.0, 4.0], [1.0, 2.0]], "variance", "no logarithm"),
    ],
)
def test_variances_are_compared_by_their_logarithm(
    fake: Plan,
    monkeypatch: pytest.MonkeyPatch,
    values: list[list[float]],
    statistic: str,
    evidence: str,
) -> None:
    plan = fake.model_copy(update={"seeds": [0, 1, 2, 3]})
    table = pd.DataFrame(
        [
            {"model": f"{name} DICCAE", "seed": seed, statistic: pair[place]}
            for seed, pair in enumerate(values)
            for place, name in enumerate(("with", "without"))
        ]
    )
    monkeypatch.setattr(claims, "figure2", lambda plan: table)
    found = claims.RULES["change"](plan, {"statistic": statistic, "value": -1.0})
    assert evidence in found[1]
    small = statistic == "variance" and "no" not in evidence
    assert found[0] == ("same direction here" if small else verdicts.TOO_FEW)


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
    assert row["drop_clip_low"] < row["drop"] < row["drop_clip_high"]


def test_every_claim_has_a_rule_and_every_alias_a_target() -> None:
    content = yaml.safe_load((CONFIG_ROOT / "claims.yaml").read_text())
    ids = [claim["id"] for claim in content["claims"]]
    assert len(ids) == len(set(ids))
    for claim in content["claims"]:
        assert claim.get("rule") in content["rules"] or claim["verdict"] in (
            claims.NOT_TESTABLE,
            claims.SELF_CONTRADICTION,
        )
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
    first_screen = page[: page.index('<h2 id="tables">')]
    assert "No verdict with 3 seeds (4 are needed); means of 7 A-V drops" in first_screen
    assert "The 12 classes of rendered clips can show" in first_screen
    assert "The embedded benchmark is not VGGSound" in page[page.index('<h2 id="run">') :]
    assert "measured, plan <code>fake</code>, 3 seeds" in page
    assert "Full method, A-V, seed 0" in page
    assert "Macro" not in page
    register = page[page.index('id="register"') :]
    assert "<h3>DICCAE</h3>" in register
    assert "<h3>MBT (miniature)</h3>" in register
    # three seeds: no interval, no verdict
    for path in root.rglob("*.csv"):
        table = pd.read_csv(path)
        ends = [c for c in table if c.endswith(("low", "high"))]
        assert table[ends].isna().all(axis=None), path
    assert set(pd.read_csv(root / "claims.csv")["verdict"]) == {
        verdicts.TOO_FEW,
        claims.NOT_TESTABLE,
        claims.SELF_CONTRADICTION,
    }
    row = page[page.index('id="table2-no_infonce-AV"') :]
    assert (
        '<td>A-V</td><td class="n">55.4 <small>too few seeds</small>' in row[: row.index("</tr>")]
    )
    # right in 38 of 240 clips with zeros for the video
    withheld = page[page.index('id="withheld"') :]
    assert withheld.index(">15.8 <") < withheld.index("</table>")
    assert "of which this plan has too few" in page
    said = page[page.index('id="mechanism"') :]
    assert said.index("<b>No conclusion: too few seeds.</b> Slope of") < said.index("<table>")
    assert "The 10 most confused pairs of classes" in said
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
    assert len(files) == len(artifacts_of(fake)) + sum(
        artifact.draw is not None for artifact in artifacts_of(fake).values()
    )
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
    # ablations, controls and opponents, not ambiguities
    assert set(settings["method"]) - documented == {
        "weighting",
        "finetune_labels",
        "pair_loss",
        "supcon_temperature",
    }
