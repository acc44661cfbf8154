"""Tables and page of a plan with a changed value."""

from __future__ import annotations

import pandas as pd

from diccae.artifacts import artifact_of
from diccae.plans import Plan, load_plan
from diccae.reporting import html


def test_the_change_is_in_every_row_and_on_the_first_screen(fake: Plan) -> None:
    plan = load_plan("fake.yaml@method.temperature=0.1@schedule.finetune.lr=0.004")
    root = plan.results_root()
    root.mkdir(parents=True)
    fake.results_root().joinpath("runs").rename(root / "runs")
    path = root / "ablations" / "no_infonce.csv"
    artifact_of(plan, "ablations/no_infonce").make(plan, path)
    changed = pd.read_csv(path)["changed"]
    assert set(changed) == {"method.temperature=0.1 schedule.finetune.lr=0.004"}
    page = html.render(plan, root, None)
    first_screen = page[: page.index("</header>")]
    words = "method.temperature = 0.1 (0.07 in the plan); schedule.finetune.lr = 0.004 ("
    assert f"<strong>Changed:</strong> {words}" in first_screen
    assert "configs/plans/fake.yaml</code> with method.temperature = 0.1" in page


def test_a_plan_as_it_is_names_no_change(fake: Plan) -> None:
    path = fake.results_root() / "ablations" / "no_infonce.csv"
    artifact_of(fake, "ablations/no_infonce").make(fake, path)
    assert "changed" not in pd.read_csv(path).columns
