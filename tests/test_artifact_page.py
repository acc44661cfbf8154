"""docs/artifact.md is current and complete, with minutes and results of the reference."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from diccae.reporting import paper
from tests.documents import ROOT, load_script
from tests.empty_shard import write_empty_shard


@pytest.fixture
def script() -> ModuleType:
    return load_script(ROOT / "docs" / "write_artifact.py")


def rows_of(page: str) -> dict[str, list[str]]:
    """The cells of the row of each claim, by its id."""
    found = re.findall(r"^\| `([^`]+)`: (.+) \|$", page, flags=re.MULTILINE)
    return {name: re.split(r" (?<!\\)\| ", cells) for name, cells in found}


def test_the_page_is_current_and_has_every_claim(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert script.PAGE.read_text() == script.page(), (
        "docs/artifact.md is not what plans, claims and reference give; run "
        "`python docs/write_artifact.py`"
    )
    rows, content = rows_of(script.PAGE.read_text()), paper.claims()
    every = [*content["claims"], *content["system_claims"], *content["controls"]]
    assert {claim["id"]: claim["statement"] for claim in every} == {
        name: cells[0] for name, cells in rows.items()
    }
    # each has targets and a rule, but those that no run can test
    assert {name for name, cells in rows.items() if len(cells) == 2} == {
        claim["id"] for claim in every if "verdict" in claim
    }


def test_the_targets_of_a_claim_are_what_its_rule_compares(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    targets = {claim.id: (claim.plan, *claim.artifacts) for claim in script.claims()}
    assert targets["table2/no_kmeans/A"] == ("embedded", "ablations/no_kmeans_audioset")
    assert targets["text/avgain"] == ("embedded", "table1")
    assert targets["fig3/threshold"] == ("embedded", "figure3")
    assert targets["perceiver/av_gain"] == ("embedded", "systems/perceiver")
    assert targets["av_mae/joint"] == ("system-arms", "systems/av_mae", "sensitivity")
    assert targets["full/supcon"] == ("controls", "control_verdicts")


def test_minutes_and_results_come_from_the_reference(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(script, "ROOT", tmp_path)
    plan = script.plan_of("embedded")
    name = "ablations/no_infonce"
    runs = script.with_parents(script.scored_runs(plan, script.artifacts_of(plan)[name].runs(plan)))
    root = plan.results_root() / "runs"
    folder = tmp_path / "results" / "reference" / "embedded"
    # two of four seeds; a seed that is not a default one does not count
    for seed, seconds in ((200, 60.0), (201, 120.0), (207, 1e6)):
        records = {
            run.folder.relative_to(root).as_posix().replace("seed200", f"seed{seed}"): {
                "cpu_seconds": seconds
            }
            for run in runs
            if run.seed == 200
        }
        timing = {"render": {"wall_seconds": 200.0}, "cache": {"wall_seconds": 101.0}}
        path = folder / f"seed{seed}.npz"
        write_empty_shard(path, seed=seed, records=records, data={"timing": timing})
    rows = [
        {"id": "table2/no_infonce/A", "verdict": "same direction", "evidence": "3.1 | 4"},
        {"id": "text/avgain", "verdict": "confirmed", "evidence": "all gaps"},
    ]
    pd.DataFrame(rows).to_csv(folder / "claims.csv", index=False)
    cost, of_seed = script.cost("embedded", (name,)), len(runs) / 4
    # 90 s a run in the mean, four seeds, and four seconds to start each of eight jobs
    assert cost.minutes == -(-(of_seed * 90 * 4 + 4 * 8) // 120)
    # the shards lack these runs
    assert script.cost("embedded", ("table1",)).minutes is None
    assert script.data_minutes() == 6
    shown = rows_of(script.page())
    assert f"{cost.minutes} minutes" in shown["table2/no_infonce/A"]
    assert r"same direction: 3.1 \| 4" in " ".join(shown["table2/no_infonce/A"])
    assert "confirmed: all gaps" in shown["text/avgain"]
    assert "not computed yet" in shown["table2/no_infonce/AV"]


def test_a_control_is_shown_with_its_interval_if_it_has_one(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "ROOT", tmp_path)
    folder = tmp_path / "results" / "reference" / "controls"
    folder.mkdir(parents=True)
    columns = ["id", "difference", "difference_low", "difference_high", "conclusion"]
    rows = [("full/supcon", 1.25, 0.5, 2.0, "better"), ("full/full", 0.1, None, None, "undecided")]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "control_verdicts.csv", index=False)
    results = {claim.id: claim.result for claim in script.claims()}
    assert results["full/supcon"] == "+1.2 [+0.5, +2.0]: better"
    assert results["full/full"] == "+0.1: undecided"
    assert results["full/shuffled"] == "not computed yet"
