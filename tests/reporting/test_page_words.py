"""What the page says where a plan has one seed, other seeds than by default, or few tables."""

from __future__ import annotations

import html as text
import json
import re
from pathlib import Path

import yaml

from diccae.artifacts import artifact_of
from diccae.functional.bootstrap import Interval
from diccae.plans import Plan, load_plan
from diccae.reporting import forest, html
from diccae.reporting.data_sets import drop_words
from diccae.reporting.intervals import too_few
from diccae.reporting.make_command import make_command, verify_command
from diccae.reporting.page_values import counted, number, significant
from diccae.reporting.repetitions import number_of_seeds
from diccae.reporting.verdict_words import meanings
from diccae.reporting.verdicts import interval_words


def words_of(page: str) -> str:
    """The words of a page, with one blank between them."""
    body = re.sub(r"<(style|script)>.*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL)
    return " ".join(text.unescape(body).split())


def page_of(plan: Plan, *names: str) -> str:
    """The words of the page of a plan, of which these tables are there."""
    root = plan.results_root()
    for name in names:
        artifact_of(plan, name).make(plan, root / f"{name}.csv")
    return words_of(html.render(plan, root, None))


def test_one_seed_is_one() -> None:
    one = load_plan("kitchen20").first_seeds(1)
    assert number_of_seeds(one) == "the first of 6 rotations"
    assert number_of_seeds(one.whole.first_seeds(2)) == "the first 2 of 6 rotations"
    few = "1 rotation gives no interval; 4 are needed"
    assert meanings(one)["too few seeds"] == few
    assert too_few(one.whole.first_seeds(4)) == ""
    assert [counted(number, "seed") for number in (0, 1, 2)] == ["0 seeds", "1 seed", "2 seeds"]


def test_a_page_of_one_seed_promises_no_intervals(fake: Plan) -> None:
    names = ("table1", "table2", "systems", "figure3", "mechanism", "pairs", "pair_slopes")
    page = page_of(fake.first_seeds(1), *names)
    few = "1 seed gives no interval; 4 are needed"
    for said in (
        f"What can be seen here: nothing yet: {few}.",
        f"Table 1. Top-1 accuracy in percent ({few}). The data sets differ",
        f"against its training compute ({few}).",
        f"paired by seed ({few}); small: the drop in log-odds",
        f"its place alone decides the verdict ({few}).",
        f"there is no band: {few}.",
        f"points for a weight of 1, {few};",
    ):
        assert said in page, said
    for said in ("with 95 % interval", "with its 95 % t-interval", "1 seeds", "80 % power"):
        assert said not in page, said


def test_the_command_of_a_table_is_one_that_snakemake_takes(fake: Plan) -> None:
    assert make_command(fake, "table2.csv") == "snakemake --cores all results/fake/table2.csv"
    assert make_command(fake.first_seeds(1), "report.html").endswith(
        "results/fake/report.html --config seeds=1"
    )
    whole = load_plan("embedded")
    usual = whole.first_seeds(None)
    assert make_command(usual, "table2.csv") == "snakemake --cores all results/table2.csv"
    assert make_command(whole, "table2.csv").endswith("results/table2.csv --config seeds=12")
    assert verify_command(usual) == "diccae verify --plan embedded"
    assert verify_command(whole) == "diccae verify --plan embedded --seeds 12"
    page = html.render(fake.first_seeds(2), fake.results_root(), None)
    assert "<code>diccae verify --plan fake --seeds 2 --out results/fake/verify.json</code>" in page
    assert f"<code>{make_command(fake.first_seeds(2), 'report.html')}</code>" in page


def test_the_command_of_a_changed_plan_names_its_values() -> None:
    plan = load_plan("embedded@method.temperature=0.1@schedule.finetune.lr=0.001").first_seeds(2)
    root = "results/changed/embedded@method.temperature=0.1@schedule.finetune.lr=0.001"
    assert make_command(plan, "table2.csv") == (
        f"snakemake --cores all {root}/table2.csv --config seeds=2 "
        "set='method.temperature=0.1 schedule.finetune.lr=0.001'"
    )


def test_what_the_data_do_not_have_is_not_described(fake: Plan) -> None:
    (Path(fake.data_root) / "truth.json").unlink()
    page = page_of(fake, "feature_quality", "table2")
    assert "The last column is the rank correlation of the mean degree with the accuracy" in page
    assert "Spearman with truth" not in page
    assert "known from the generator" not in page
    assert "The three settings below" not in page
    assert "does not include Figure 2, or" in page


def test_captions_of_sensitivity_and_systems_say_what_is_there(fake: Plan) -> None:
    content = yaml.safe_load(Path("fake.yaml").read_text())
    content["sensitivity"] = {"variants": ["full", "flat_mean"], "modalities": ["A", "AV"]}
    Path("fake.yaml").write_text(yaml.safe_dump(content))
    plan = load_plan("fake.yaml")
    page = page_of(plan, "sensitivity", "table1", "systems", "leakage", "learning_rates", "table2")
    # two variants in two modalities
    assert "Accuracy of 2 variants" in page
    assert "flat_mean uses the mean of the dynamic weights" in page
    assert "no_dynamic_weighting uses" not in page
    assert "The three settings below" in page
    assert "in fine-tuning (1 seed; nothing is selected" in page
    assert "trained parameters, million" in page
    assert "paper's drop verdict at 0.5 no_confusion_loss" in page
    assert "variant drop, points 7 intervals together" in page
    assert "cover together with a probability of 95 % or more" in page


def test_a_small_size_is_not_zero() -> None:
    sizes = [257 / 1e6, 0.0312, 0.0007, 5.94, 99.36, 100.0, 1234.5, 0.0, float("nan")]
    shown = ["0.000257", "0.0312", "0.0007", "5.94", "99.4", "100", "1234", "0", "–"]
    assert list(map(significant, sizes)) == shown


def test_all_machines_are_named(fake: Plan) -> None:
    path = fake.run_folder("full", fake.seeds[1], modality="AV") / "record.json"
    record = json.loads(path.read_text())
    record["hardware"] = {"cpu": "Other", "cores": 96, "gpu": "H100"}
    record |= {"peak_rss_mb": 4321.0, "commit": "fedcba9876543210", "dirty": True}
    path.write_text(json.dumps(record))
    page = page_of(fake)
    assert "Other, 96 cores, H100; test cpu, 2 cores, no GPU; peak memory" in page
    assert "Other, H100; test cpu, no GPU · commit" in page
    assert "0123456789" in page
    assert "fedcba9876 with uncommitted changes" in page
    assert "peak memory of a job 4321 MB" in page


def test_a_drop_that_the_paper_does_not_print_has_no_mark() -> None:
    row = {"variant": "flat_mean", "modality": "V", "family": "exploratory", "drop": 1.0}
    row |= {"drop_low": 0.5, "drop_high": 1.5, "paper_drop": float("nan"), "seeds": 12}
    shown = forest.forest([row])
    assert shown is not None
    assert not shown.printed
    assert "Forest plot of Table 2 in video, 1 row;" in forest.describe(shown)


def test_a_difference_of_zero_is_not_below_zero() -> None:
    # 100 * k / 8160 for numbers of right clips whose sums are equal
    noise = -1e-15
    stored = float(f"{noise:.4f}")
    assert number(stored, 1, signed=True) == "+0.0"
    assert number(-0.04, 1, signed=True) == "−0.0"
    nan = float("nan")
    assert drop_words({"drop": stored, "low": nan, "high": nan}) == "+0.0"
    assert interval_words(Interval(noise, -1.0, 1.0), 0.95) == "+0.00 [-1.00, +1.00] (95 %)"


def test_an_end_of_an_interval_that_is_not_0_is_not_written_as_0() -> None:
    ends = {(0.0254, 1.0593): "[+0.03, +1.1]", (-1.2, -0.0004): "[-1.2, -0.0004]"}
    ends |= {(-1.0, 0.0): "[-1.0, +0.0]", (0.06, 0.3): "[+0.1, +0.3]"}
    for (low, high), words in ends.items():
        assert drop_words({"drop": 0.5, "low": low, "high": high}) == f"+0.5 {words}"
