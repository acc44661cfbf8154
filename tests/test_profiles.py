"""Profiles name only rules that the Snakefile has, and the Slurm profile sets the resources of
training."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from diccae.feature_jobs import SHARES

ROOT = Path(__file__).resolve().parent.parent
SNAKEFILE = (ROOT / "Snakefile").read_text()
RULES = set(re.findall(r"^rule (\w+):", SNAKEFILE, flags=re.MULTILINE))
PROFILES = sorted((ROOT / "profiles").glob("*/profile.yaml"))


def named_rules(profile: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """All pairs (option, rule) in a profile."""
    for option in ("set-resources", "set-threads", "groups"):
        for rule in profile.get(option, {}):
            yield option, rule
    for rule in filter(None, re.split(r"[,;]\s*", profile.get("slurm-array-jobs", ""))):
        yield "slurm-array-jobs", rule


@pytest.fixture(scope="module")
def slurm() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "profiles" / "slurm" / "profile.yaml").read_text())


def test_rules_are_found_in_the_snakefile() -> None:
    assert {
        "render",
        "manifest",
        "cache",
        "share",
        "train",
        "table",
        "figure",
        "verify",
        "report",
    } <= RULES


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.parent.name)
def test_every_rule_that_a_profile_names_is_in_the_snakefile(path: Path) -> None:
    unknown = [
        f"{option}: {rule}"
        for option, rule in named_rules(yaml.safe_load(path.read_text()))
        if rule not in RULES
    ]
    assert not unknown, f"{path.relative_to(ROOT)} names rules that the Snakefile does not have"


def test_the_slurm_profile_sets_memory_runtime_and_launcher_of_training(
    slurm: dict[str, Any],
) -> None:
    assert {"mem_mb", "runtime", "launcher"} <= slurm["set-resources"]["train"].keys()


def test_features_are_divided_as_the_planner_assumes(slurm: dict[str, Any]) -> None:
    assert slurm["set-scatter"] == {"share": SHARES}
    assert "share" in slurm["slurm-array-jobs"].split(",")
