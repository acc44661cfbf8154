"""Which code a run's numbers depend on."""

from __future__ import annotations

from pathlib import Path

import pytest

from diccae.executed_code import is_code_of
from diccae.plans import CONFIG_ROOT, load_plan
from diccae.run_graph import Run
from diccae.source import SourceTree, present_tree, tree_of_commit

STAGES = ("warmup", "pretrain", "finetune")


def digest(tree: SourceTree, stage: str) -> str:
    return tree.digest(Run(load_plan("embedded"), stage, "full", 0).config(), "diccae")


def changed(tree: SourceTree) -> list[str]:
    """The stages of the full method that other code would train."""
    return [stage for stage in STAGES if digest(tree, stage) != digest(present_tree(), stage)]


@pytest.mark.parametrize(
    ("module", "stages"),
    [
        ("diccae.functional.kmeans", ["warmup", "pretrain"]),
        ("diccae.functional.matching", ["pretrain"]),
        ("diccae.engine.hooks.first_clusters", ["warmup", "pretrain"]),
        ("diccae.engine.hooks.pseudo_labels", ["pretrain"]),
        ("diccae.engine.hooks.confusion_degree", ["pretrain", "finetune"]),
        ("diccae.models.losses.confusion_loss", ["pretrain", "finetune"]),
        ("diccae.datasets.samplers", ["finetune"]),
        ("diccae.engine.runs", list(STAGES)),
        ("diccae.models.systems.diccae", list(STAGES)),
        ("diccae.systems.diccae", list(STAGES)),
        ("diccae.models.vit", []),
        ("diccae.datasets.readers.vggsound", []),
        ("diccae.reporting.tables", []),
        ("diccae.plans", []),
        ("diccae.compose", []),
    ],
)
def test_a_change_concerns_the_stages_that_execute_the_module(
    module: str, stages: list[str]
) -> None:
    texts = present_tree().texts
    assert changed(SourceTree(texts | {module: texts[module] + "\nx = 1\n"})) == stages


def test_a_new_system_a_reader_and_a_report_leave_all_results_valid() -> None:
    new = {
        "diccae.systems.other": "from diccae.systems.spec import System\n",
        "diccae.models.systems.other": "class Other:\n    pass\n",
        "diccae.datasets.readers.other": "import diccae.datasets.media\n",
        "diccae.reporting.other": "import diccae.engine.runs\n",
    }
    assert changed(SourceTree(present_tree().texts | new)) == []


def test_what_a_changed_module_imports_counts_as_well() -> None:
    texts = present_tree().texts
    helper = {"diccae.models.helper": "VALUE = 1\n"}
    user = {
        "diccae.models.encoders": texts["diccae.models.encoders"]
        + "\nimport diccae.models.helper\n"
    }
    first = SourceTree(texts | helper | user)
    second = SourceTree(texts | {"diccae.models.helper": "VALUE = 2\n"} | user)
    assert all(digest(first, stage) != digest(second, stage) for stage in STAGES)


def test_the_digest_of_a_run_is_that_of_the_code_on_the_disk() -> None:
    run = Run(load_plan("embedded"), "finetune", "full", 0)
    assert run.source_hash == digest(present_tree(), "finetune")


@pytest.mark.parametrize("variant", ["gblend", "attn_av", "full"])
def test_the_code_is_the_same_in_whatever_order_files_are_listed(variant: str) -> None:
    run = Run(load_plan("embedded"), "finetune", variant, 0, "AV")
    texts = present_tree().texts
    for names in (sorted(texts), sorted(texts, reverse=True)):
        tree = SourceTree({name: texts[name] for name in names})
        stated = tree.digest(run.config(), run.settings.system.name)
        assert is_code_of(present_tree(), run, stated)
        other = SourceTree(texts | {"diccae.engine.runs": "x = 1\n"})
        assert not is_code_of(other, run, stated)


def test_a_commit_that_is_not_here_has_no_tree() -> None:
    assert tree_of_commit("0" * 40) is None


@pytest.mark.parametrize("variant", ["gblend", "attn_av"])
def test_a_changed_network_counts_in_whatever_order_files_are_listed(
    variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system and its network have a class of one name."""
    found = sorted((CONFIG_ROOT.parent / "diccae").rglob("*.py"))
    for listed in (found, found[::-1]):
        monkeypatch.setattr(Path, "rglob", lambda self, pattern, listed=listed: iter(listed))
        present_tree.cache_clear()
        tree = present_tree()
        run = Run(load_plan("embedded"), "finetune", variant, 0, "AV")
        modules = tree.closure(tree.roots(run.config(), variant))
        assert {f"diccae.models.systems.{variant}", f"diccae.systems.{variant}"} <= set(modules)
    present_tree.cache_clear()
