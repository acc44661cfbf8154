"""The profiles name rules of the Snakefile, and the cluster's profile gives each training rule its resources."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
SNAKEFILE = (ROOT / "Snakefile").read_text()
RULES = set(
    re.findall(r"^(?:rule|use rule \w+ as) (\w+)(?: with)?:", SNAKEFILE, flags=re.MULTILINE)
)
# all that train share the body of one rule
TRAINING = {
    "run_warmup",
    *re.findall(r"^use rule run_warmup as (\w+) with:", SNAKEFILE, flags=re.MULTILINE),
}
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
    assert {"render", "manifest", "cache", "table", "verify", "report"} <= RULES
    assert {
        "run_warmup",
        "run_pretrain",
        "finetune_a_v_av",
        "finetune_a_av",
        "finetune_a",
        "finetune_av",
    } == TRAINING


def test_a_rule_that_is_not_there_is_seen() -> None:
    profile = {"set-resources": {"retired": {"runtime": 1}}, "slurm-array-jobs": "table, gone"}
    assert [rule for _, rule in named_rules(profile) if rule not in RULES] == ["retired", "gone"]


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.parent.name)
def test_every_rule_that_a_profile_names_is_in_the_snakefile(path: Path) -> None:
    unknown = [
        f"{option}: {rule}"
        for option, rule in named_rules(yaml.safe_load(path.read_text()))
        if rule not in RULES
    ]
    assert not unknown, f"{path.relative_to(ROOT)} names rules that the Snakefile does not have"


def test_every_training_rule_has_memory_and_time_on_the_cluster(slurm: dict[str, Any]) -> None:
    for rule in sorted(TRAINING):
        resources = slurm["set-resources"].get(rule, {})
        assert {"mem_mb", "runtime"} <= resources.keys(), (
            f"profiles/slurm gives rule {rule} no mem_mb and runtime"
        )


def test_every_rule_that_uses_threads_gets_them_on_the_cluster(slurm: dict[str, Any]) -> None:
    """The Snakefile's own number is a ceiling for one machine; on a cluster it would be asked for in full."""
    bodies = re.findall(r"^rule (\w+):\n((?:    .*\n|\n)+)", SNAKEFILE, flags=re.MULTILINE)
    assert {rule for rule, body in bodies if "\n    threads:" in body} == slurm[
        "set-threads"
    ].keys()
