"""Seeds that plans name, and where a wrong name or number is refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from diccae import seed_sets, settings
from diccae.errors import UserError
from diccae.plans import CONFIG_ROOT, Plan, known_plans, load_plan
from diccae.validation import checked


def plan_with(folder: Path, seeds: object) -> Plan:
    content = yaml.safe_load((CONFIG_ROOT / "plans" / "smoke.yaml").read_text())
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(content | {"name": "mine", "seeds": seeds}))
    return load_plan(path)


def test_a_plan_names_its_seeds_or_lists_them(tmp_path: Path) -> None:
    assert plan_with(tmp_path, {"tables": 3}).seeds == [200, 201, 202]
    assert plan_with(tmp_path, {"tuning": 4}).seeds == [300, 301, 302, 303]
    assert plan_with(tmp_path, [7, 3]).seeds == [7, 3]


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ({"table": 4}, "seeds: unknown seeds 'table'; did you mean 'tables'? Known: tables, tun"),
        ({"data": 1}, "seeds: unknown seeds 'data'; known: tables, tuning"),
        ({"tables": 13}, "seeds: wanted a number from 1 to 12 after tables (configs/seeds.yaml)"),
        ({"tuning": 0}, "seeds: wanted a number from 1 to 4 after tuning (configs/seeds.yaml)"),
        ({"tables": True}, "after tables (configs/seeds.yaml), got True"),
        ({"tables": [200]}, "after tables (configs/seeds.yaml), got [200]"),
        ({"tables": 2, "tuning": 2}, "seeds: wanted a list of seeds, or one name and a number"),
        ({}, "seeds: wanted a list of seeds, or one name and a number, such as {tables: 4}"),
    ],
)
def test_a_wrong_name_or_number_is_refused(tmp_path: Path, seeds: object, message: str) -> None:
    with pytest.raises(UserError) as error:
        plan_with(tmp_path, seeds)
    assert str(error.value).startswith(f"{tmp_path / 'mine.yaml'}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_default_beyond_the_seeds_is_refused() -> None:
    content = load_plan("smoke").model_dump(by_alias=True)
    assert checked(Plan, content | {"default_seeds": 1}, "here").first_seeds().seeds == [200]
    with pytest.raises(UserError) as error:
        checked(Plan, content | {"default_seeds": 3}, "here")
    words = "here: default_seeds: wanted a number from 1 to 2, the number of seeds, got 3"
    assert str(error.value) == words


def test_tables_and_choices_share_no_seed() -> None:
    sets = seed_sets.seed_sets()
    assert not set(sets.tables) & set(sets.tuning)
    for name in known_plans():
        plan = load_plan(name)
        if name == "embedded-first":
            # the seeds of its committed outcome
            continue
        wanted = sets.tables if plan.reported() else sets.tuning
        assert plan.seeds == wanted[: len(plan.seeds)], name


def test_the_clips_take_the_data_seed_unless_the_config_states_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = settings._config

    def without_seed(name: str) -> dict[str, Any]:
        content = copy.deepcopy(read(name))
        content.get("benchmark", {}).pop("seed", None)
        return content

    monkeypatch.setattr(settings, "_config", without_seed)
    plan = load_plan("smoke").model_copy(update={"name": "unstated"})
    assert settings.plan_settings(plan)["benchmark"]["seed"] == seed_sets.seed_sets().data
    stated = plan.model_copy(update={"name": "stated", "overrides": {"benchmark.seed": 5}})
    assert settings.plan_settings(stated)["benchmark"]["seed"] == 5
