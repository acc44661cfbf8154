"""The tables that compare systems, against values worked out by hand from the synthetic runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from diccae.artifacts import artifact_of
from diccae.cli.main import app
from diccae.errors import UserError
from diccae.functional.power import smallest_visible
from diccae.plans import Plan
from diccae.reporting import claims, html
from diccae.reporting.ambiguities import register
from diccae.reporting.systems import title
from diccae.sections import Section, Table1, Tuning
from tests.reporting.conftest import CLASSES, PER_CLASS, write_record, write_run

N = CLASSES * PER_CLASS
# test clips that are right with each seed
RIGHT = {
    "full": [200, 203, 199, 205],
    "from_scratch": [100, 104, 101, 99],
    "scratch_tokens": [110, 113, 117, 111],
    "gblend": [150, 157, 149, 151],
    "mbt": [160, 161, 166, 158],
}
COMPUTE = {
    "parameters_training": 3e6,
    "parameters_inference": 2e6,
    "gflop_inference": 0.5,
    "training_tflop": 7.0,
    "clips_trained": 1000,
}
SECTIONS = tuple(name for name in Plan.model_fields if name in html.SHOWN) + ("tuning", "spread")


def plan_of(plan: Plan, right: dict[str, list[int]] = RIGHT, **sections: Section) -> Plan:
    """The plan with Table 1 in A-V, or other sections, alone, and its runs with so many clips
    right."""
    table1 = {} if sections else {"table1": _table1(list(right))}
    seeds = list(range(len(next(iter(right.values())))))
    own = plan.model_copy(update=dict.fromkeys(SECTIONS) | table1 | sections | {"seeds": seeds})
    for variant, clips in right.items():
        for seed in seeds:
            # write_run adds as many clips as the seed says
            write_run(own, variant, "AV", seed, (clips[seed] - seed) / N)
    return own


def _table1(variants: list[str]) -> Table1:
    chosen = [variant for variant in variants if "@" in variant]
    common = [variant for variant in variants if variant not in chosen]
    return Table1(variants=common, modalities=["AV"], at_chosen_rates=chosen)


def make(plan: Plan, name: str, root: Path) -> pd.DataFrame:
    """An artifact as it is written and read again."""
    path = root / f"{name}.csv"
    artifact_of(plan, name).make(plan, path)
    return pd.read_csv(path)


def percent(variant: str) -> np.ndarray:
    return 100 * np.array(RIGHT[variant]) / N


def test_differences_are_paired_by_seed_with_scratch_of_the_same_encoders(
    fake: Plan, tmp_path: Path
) -> None:
    table = make(plan_of(fake), "systems", tmp_path).set_index("variant")
    for variant, name, other in (
        ("gblend", "over_scratch", "from_scratch"),
        ("mbt", "over_scratch", "scratch_tokens"),
        ("mbt", "over_diccae", "full"),
    ):
        test = stats.ttest_rel(percent(variant), percent(other))
        low, high = test.confidence_interval(0.95)
        wanted = [(percent(variant) - percent(other)).mean(), low, high]
        found = table.loc[variant, [name, f"{name}_low", f"{name}_high"]].tolist()
        assert found == pytest.approx(wanted, abs=1e-3), (variant, name)
    assert np.isnan(table.loc["full", "over_diccae"])
    assert table.loc[["from_scratch", "scratch_tokens"], "over_scratch"].isna().all()
    assert table["encoders"].tolist() == ["convolutional"] * 2 + ["tokens", "convolutional"] + [
        "tokens"
    ]
    assert table.loc["scratch_tokens", "system"] == "from scratch (on tokens)"
    right = {name: clips for name, clips in RIGHT.items() if name != "scratch_tokens"}
    table = make(plan_of(fake, right), "systems", tmp_path).set_index("variant")
    assert np.isnan(table.loc["mbt", "over_scratch"])
    assert np.isfinite(table.loc["gblend", "over_scratch"])


def test_a_system_at_its_rate_is_compared_with_others_at_theirs(fake: Plan, tmp_path: Path) -> None:
    own = {"gblend@lr=0.004": [170, 172, 175, 171], "from_scratch@lr=0.001": [120, 118, 121, 125]}
    plan = plan_of(fake, RIGHT | own)
    plan = plan.model_copy(update={"parameters": {"lr": "schedule.finetune.lr"}})
    table = make(plan, "systems", tmp_path).set_index("variant")
    gap = np.mean(own["gblend@lr=0.004"]) - np.mean(own["from_scratch@lr=0.001"])
    assert table.loc["gblend@lr=0.004", "over_scratch"] == pytest.approx(100 * gap / N, abs=1e-3)
    assert np.isnan(table.loc["gblend@lr=0.004", "over_diccae"])  # it has no rate of its own here
    assert table.loc[["gblend", "gblend@lr=0.004"], "rate"].tolist() == ["common", "chosen"]
    alone = make(plan, "systems/gblend", tmp_path)
    assert alone["variant"].tolist() == ["gblend", "gblend@lr=0.004"]


def test_a_chosen_rate_belongs_to_a_variant_of_the_table() -> None:
    for name in ("mbt", "mbt@lr=0.004"):
        with pytest.raises(ValueError, match=f"wanted one of `variants` .* got '{name}'"):
            Table1(variants=["full"], modalities=["A"], at_chosen_rates=[name])
    section = Table1(variants=["full"], modalities=["A", "AV"], at_chosen_rates=["full@lr=0.004"])
    assert [need[:2] for need in section.needs()] == [
        ("full", "A"),
        ("full", "AV"),
        ("full@lr=0.004", "AV"),
    ]


def test_a_cost_is_that_of_a_run_and_of_all_that_it_starts_from(fake: Plan, tmp_path: Path) -> None:
    plan = plan_of(fake)
    for seed in plan.seeds:
        warmup, pretrain = (
            plan.run_folder("full", seed, stage) for stage in ("warmup", "pretrain")
        )
        # fine-tuning starts from both, pre-training from the warm-up
        for folder, variant, parents, more in (
            (warmup, "full", [], {"peak_rss_mb": 2000.0}),
            (pretrain, "full", [warmup], {}),
            (plan.run_folder("full", seed, modality="AV"), "full", [pretrain, warmup], {}),
            (plan.run_folder("gblend", seed, modality="AV"), "gblend", [warmup], {}),
        ):
            folder.mkdir(parents=True, exist_ok=True)
            files = {str(parent / "weights.pth"): "digest" for parent in parents}
            computed = COMPUTE | {"training_tflop": 7.0 + seed}
            more = {"parents": files, "compute": computed} | more
            write_record(folder, plan, variant, "AV", seed, **more)
    table = make(plan, "systems", tmp_path).set_index("variant")
    # the shared warm-up counts in full for both, and once for each
    runs = pd.Series({"full": 3, "gblend": 2})
    own = table.loc[runs.index]
    assert own["training_tflop"].tolist() == (runs * (7 + 1.5)).tolist()
    assert own["clips_trained"].tolist() == (runs * 1000).tolist()
    assert own["cpu_seconds"].tolist() == (runs * 9.0).tolist()
    assert set(own["parameters_training"]) == {3e6}
    assert set(own["gflop_inference"]) == {0.5}
    assert set(own["peak_rss_mb"]) == {2000.0}
    # the records of MBT do not say what it computed
    assert table.loc["mbt", list(COMPUTE)].isna().all()
    assert table.loc["mbt", ["cpu_seconds", "peak_rss_mb"]].tolist() == [9.0, 900.0]
    figure = (tmp_path / "systems.svg").read_text()
    assert "CPU seconds (records lack TFLOP)" in figure


def test_every_name_says_what_a_model_is(fake: Plan, tmp_path: Path) -> None:
    plan = plan_of(fake)
    names = set(make(plan, "systems", tmp_path)["system"])
    assert {"GBlend (miniature)", "MBT (miniature)", "DICCAE", "from scratch"} < names
    figure = (tmp_path / "systems.svg").read_text()
    assert all(f"<!-- {name} -->" in figure for name in names)
    table = make(plan, "table1", tmp_path)
    assert names == set(table.loc[table["source"].str.startswith("measured"), "system"])
    assert make(plan, "systems/mbt", tmp_path)["system"].tolist() == ["MBT (miniature)"]
    # clips of one's own, and the published shape
    own = {"dataset": "my clips"}
    assert title(plan.model_copy(update=own), "mbt") == "MBT (miniature)"
    assert title(plan.model_copy(update=own | {"scale": "vggsound"}), "mbt") == "MBT"
    assert title(plan, "avcl_no_cgra") == "AVCL, avcl_no_cgra (our interpretation, miniature)"
    assert title(plan, "mbt@lr=0.001") == "MBT, lr=0.001 (miniature)"
    assert title(plan, "diccae_tokens") == "DICCAE (on tokens)"


def test_table1_tells_printed_published_and_measured_rows_apart(fake: Plan, tmp_path: Path) -> None:
    plan = plan_of(fake)
    table = make(plan, "table1", tmp_path)
    kinds = table["source"].str.partition(",")[0].str.partition(":")[0]
    assert kinds.unique().tolist() == ["printed in the paper", "published", "measured"]
    mbt = table.set_index(kinds)[table["system"].str.startswith("MBT").to_numpy()]
    assert mbt["AV"].tolist() == pytest.approx([61.3, 64.1, percent("mbt").mean()], abs=1e-3)
    assert mbt["fidelity"].fillna("").tolist() == ["", "", "paper"]
    assert mbt["encoders"].fillna("").tolist() == ["", "", "tokens"]
    assert mbt["smallest_visible"].isna().tolist() == [True, True, False]
    spread = (percent("mbt") - percent("full")).std(ddof=1)
    assert mbt["smallest_visible"].iloc[2] == pytest.approx(smallest_visible(spread, 4), abs=1e-3)
    measured = table[kinds == "measured"].set_index("variant")
    assert np.isnan(measured.loc["full", "smallest_visible"])
    uses = measured["label_use"]
    assert uses["from_scratch"] == "none"
    assert uses["gblend"] != "none"
    few = make(plan.model_copy(update={"seeds": [0, 1, 2]}), "table1", tmp_path)
    assert few["smallest_visible"].isna().all()


def test_one_system_is_made_from_its_own_runs(
    fake: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in Path("results/fake/runs").iterdir():
        if folder.name != "mbt":
            shutil.rmtree(folder)
    with pytest.raises(SystemExit) as end:
        app(["system", "mbt", "--plan", "fake.yaml", "--out", "mbt.csv"])
    assert end.value.code == 0
    table = pd.read_csv("mbt.csv")
    assert table["modality"].tolist() == ["A", "V", "AV"]
    assert set(table["fidelity"]) == {"paper"}
    with pytest.raises(UserError, match=r"plan fake has no system 'mbtt' in table1.*mbt"):
        artifact_of(fake, "systems/mbtt")


def test_avcl_is_compared_with_itself_without_each_module(fake: Plan, tmp_path: Path) -> None:
    right = {"avcl": [150, 157, 149, 151], "avcl_no_amfm": [140, 141, 146, 138]}
    plan = plan_of(fake, right, avcl=Section(variants=list(right), modalities=["AV"]))
    table = make(plan, "avcl", tmp_path).set_index("variant")
    test = stats.ttest_rel(*(100 * np.array(clips) / N for clips in right.values()))
    low, high = test.confidence_interval(0.95)
    found = table.loc["avcl_no_amfm", ["drop_low", "drop_high"]].tolist()
    assert found == pytest.approx([low, high], abs=1e-3)
    assert np.isnan(table.loc["avcl", "drop"])
    assert table["system"].str.contains("(our interpretation, miniature)", regex=False).all()


def test_each_system_has_a_best_rate_of_its_own(fake: Plan, tmp_path: Path) -> None:
    right = {
        "gblend@lr=0.001": [100] * 3,
        "gblend@lr=0.002": [120] * 3,
        "gblend@lr=0.004": [110] * 3,
        "mbt@lr=0.001": [150] * 3,
        "mbt@lr=0.002": [90] * 3,
        "mbt@lr=0.004": [80] * 3,
    }
    section = {"variants": list(right), "modalities": ["AV"]}
    best = {}
    for apart in (True, False):
        plan = plan_of(fake, right, tuning=Tuning(**section, apart=apart))
        table = make(plan, "tuning", tmp_path).fillna({"best": ""})
        best[apart] = table.set_index("variant")["best"].loc[lambda words: words != ""].to_dict()
    edge, inside = "yes, at the edge of the grid", "yes, inside the grid"
    assert best[True] == {"gblend@lr=0.002": inside, "mbt@lr=0.001": edge}
    # 100 + 150, 120 + 90, 110 + 80
    assert best[False] == {"gblend@lr=0.001": edge, "mbt@lr=0.001": edge}


def test_claims_of_the_systems_own_papers(fake: Plan) -> None:
    better, worse = [150, 157, 149, 151], [140, 141, 146, 138]
    right = {
        "full": RIGHT["full"],
        "gblend": better,
        "gblend_naive": worse,
        "mbt": better,
        "mbt_early": worse,
        "mbt_late": [200, 203, 199, 205],
    }
    plan = plan_of(fake, right)
    gblend_audio = plan.model_copy(
        update={"table1": Section(variants=list(right), modalities=["A", "AV"])}
    )
    for seed in plan.seeds:
        write_run(plan, "gblend_naive", "A", seed, (right["full"][seed] - seed) / N)
        for variant in set(right) - {"gblend_naive"}:
            write_run(plan, variant, "A", seed, 0.5)
    judged = claims.evaluate(gblend_audio).set_index("id")
    own = judged[judged["rule"] == "gaps"]
    assert own["verdict"].to_dict() == {
        "gblend/blend": "confirmed here",
        "gblend/unimodal": claims.NOT_TESTABLE,
        "mbt/middle": "contradicted here",
    }
    assert set(own["family"]) == {"exploratory"}
    assert own.loc["mbt/middle", "evidence"].startswith("mbt A-V over mbt_late A-V: -")
    assert "by design" in own.loc["gblend/unimodal", "evidence"]
    # other clips can show it
    other = gblend_audio.model_copy(update={"dataset": "my clips"})
    elsewhere = claims.evaluate(other).set_index("id").loc["gblend/unimodal"]
    assert elsewhere["verdict"] == "confirmed"
    few = claims.evaluate(plan.model_copy(update={"seeds": [0, 1, 2]})).set_index("id")
    assert few.loc["mbt/middle", "verdict"] == "too few seeds"
    # which the plan does not score in A
    assert "gblend/unimodal" not in few.index


def test_the_register_has_the_open_choices_of_every_system(fake: Plan) -> None:
    groups = {group["title"]: group for group in register(plan_of(fake))}
    assert list(groups) == ["DICCAE", "GBlend (miniature)", "MBT (miniature)"]
    assert {group["variant"] for group in groups.values()} == {"full", "gblend", "mbt"}
    values = {entry["key"]: entry["value"] for entry in groups["MBT (miniature)"]["entries"]}
    assert values["method.fusion_layer"] == 2
    assert groups["DICCAE"]["entries"][0]["key"] == "method.similarity"
    # without the system itself, that of a variant of it
    late = plan_of(fake, {"full": RIGHT["full"], "mbt_late": RIGHT["mbt"]})
    (group,) = register(late)[1:]
    assert group["variant"] == "mbt_late"
    assert {e["key"]: e["value"] for e in group["entries"]}["method.fusion_layer"] == 4
