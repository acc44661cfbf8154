"""What the page says where a plan has one seed, other seeds than by default, or few tables."""

from __future__ import annotations

import html as text
import re
from pathlib import Path

import pytest

from diccae.artifacts import artifact_of
from diccae.plans import Plan, load_plan
from diccae.reporting import html
from diccae.reporting.intervals import number_of_seeds
from diccae.reporting.make_command import make_command
from diccae.reporting.page_values import counted
from diccae.reporting.verdict_words import meanings


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
    page = html.render(fake.first_seeds(2), fake.results_root(), None)
    assert f"<code>{make_command(fake.first_seeds(2), 'report.html')}</code>" in page


def test_the_command_of_a_changed_plan_names_its_values() -> None:
    plan = load_plan("embedded@method.temperature=0.1@schedule.finetune.lr=0.001").first_seeds(2)
    root = "results/changed/embedded@method.temperature=0.1@schedule.finetune.lr=0.001"
    assert make_command(plan, "table2.csv") == (
        f"snakemake --cores all {root}/table2.csv --config seeds=2 "
        "set='method.temperature=0.1 schedule.finetune.lr=0.001'"
    )
