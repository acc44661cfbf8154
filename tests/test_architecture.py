"""docs/architecture.svg is current, imports follow the layers, and named files exist."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "docs" / "draw_architecture.py"
PAGE = (ROOT / "docs" / "architecture.md").read_text()


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw_architecture", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_picture_is_current(script: ModuleType) -> None:
    layers = script.read_layers()
    drawn = script.draw(layers, script.read_imports(layers))
    assert script.PICTURE.read_text() == drawn, (
        "docs/architecture.svg does not show the current imports; "
        "run `python docs/draw_architecture.py` and commit the picture"
    )


def test_no_arrow_points_upward(script: ModuleType) -> None:
    layers = script.read_layers()
    assert script.upward(layers, script.read_imports(layers)) == []


def test_imports_within_a_layer_or_to_a_higher_one_are_found(script: ModuleType) -> None:
    imports = {("a", "b"), ("b", "c"), ("c", "a")}
    assert script.upward([["a"], ["b", "c"]], imports) == [("b", "c"), ("c", "a")]


def test_implied_arrows_are_left_out(script: ModuleType) -> None:
    assert script.without_implied({("a", "b"), ("b", "c"), ("a", "c"), ("a", "d")}) == [
        ("a", "b"),
        ("a", "d"),
        ("b", "c"),
    ]


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:diccae|configs)/[\w./-]+)`", PAGE))))
def test_every_path_on_the_page_exists(path: str) -> None:
    assert (ROOT / path).exists(), f"docs/architecture.md names {path}, which does not exist"
