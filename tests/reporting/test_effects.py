"""effects.csv: the claimed drops with interval, verdict and smallest visible effect."""

from __future__ import annotations

import math

import pytest

from diccae.plans import Plan
from diccae.reporting import claims, verdicts
from diccae.reporting.effects import effects


def test_each_claimed_drop_has_one_row(fake: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    # intervals of three seeds
    for module in ("bootstrap", "power"):
        monkeypatch.setattr(f"diccae.functional.{module}.MIN_SEEDS", 3)
    table = effects(fake).set_index(["claim", "modality"])
    assert fake.table2 is not None
    dropped = len(fake.table2.variants) - 1
    assert len(table) == 2 * dropped + 2
    row = table.loc[("table2/no_infonce", "AV")]
    # made with accuracies of 80 and 55 %, each with `seed` of 240 clips more
    assert row["drop"] == pytest.approx(25)
    assert row["top1"] == pytest.approx(80 + 100 / 240)
    assert row["paper_drop"] == 3.9
    assert row["paper_drop_log_odds"] == pytest.approx(
        math.log(65.5 / 34.5) - math.log(61.6 / 38.4)
    )
    assert (row["family"], row["level"]) == ("primary", pytest.approx(100 - 5 / 7))
    # equal in all seeds: nothing to estimate a spread from
    assert (row["verdict"], math.isnan(row["smallest_visible"])) == ("too few seeds", True)
    audio = table.loc[("table2/no_infonce", "A")]
    assert (audio["family"], audio["level"]) == ("exploratory", pytest.approx(95))
    assert math.isnan(table.loc[("table2/flat_mean", "AV"), "paper_drop"])
    # verdicts are those of claims.csv
    judged = claims.evaluate(fake).set_index("id")["verdict"]
    for name in ("fig3/threshold", "fig3/dynamic_better"):
        assert table.loc[(name, "A"), "verdict"] == judged[name]
    assert verdicts.primary_rows(fake) == [
        claim.removeprefix("table2/")
        for (claim, _), entry in table.iterrows()
        if entry["family"] == "primary"
    ]
