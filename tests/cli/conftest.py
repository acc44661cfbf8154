"""The plan that the checks of the doctor look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from diccae.plans import Plan, load_plan


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """The smoke plan in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    return load_plan("smoke")


def with_overrides(plan: Plan, **overrides: object) -> Plan:
    return plan.model_copy(update={"overrides": plan.overrides | overrides})
