"""The profiles name rules of the Snakefile, and the cluster's profile gives each training rule its
resources."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
SNAKEFILE = (ROOT / "Snakefile").read_text()
RULES = set(re.findall(r"^rule (\w+):", SNAKEFILE, flags=re.MULTILINE))
PROFILES = sorted((ROOT / "profiles").glob("*/profile.yaml"))


def named_rules(profile: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(option, rule) of every rule that a profile names."""
    for option in ("set-resources", "set-threads", "groups"):
        for rule in profile.get(option, {}):
            yield option, rule
    for rule in filter(None, re.split(r"[,;]\s*", profile.get("slurm-array-jobs", ""))):
        yield "slurm-array-jobs", rule


@pytest.fixture(scope="module")
def slurm() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "profiles" / "slurm" / "profile.yaml").read_text())


def test_the_snakefile_is_read() -> None:
    assert {"render", "manifest", "cache", "train", "table", "figure", "verify", "report"} <= RULES


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.parent.name)
def test_every_rule_that_a_profile_names_is_in_the_snakefile(path: Path) -> None:
    unknown = [
        f"{option}: {rule}"
        for option, rule in named_rules(yaml.safe_load(path.read_text()))
        if rule not in RULES
    ]
    assert not unknown, f"{path.relative_to(ROOT)} names rules that the Snakefile does not have"


def test_training_has_memory_time_and_a_step_of_its_own_on_the_cluster(
    slurm: dict[str, Any],
) -> None:
    assert {"mem_mb", "runtime", "launcher"} <= slurm["set-resources"]["train"].keys()
