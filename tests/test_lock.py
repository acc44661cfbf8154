"""requirements.in, pyproject.toml, requirements.lock and environment.yml agree."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
LOCK = (ROOT / "requirements.lock").read_text()


@pytest.fixture(scope="module")
def environment() -> ModuleType:
    spec = importlib.util.spec_from_file_location("environment", ROOT / ".ci" / "environment.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def direct(text: str | None = None) -> list[Requirement]:
    lines = (text or (ROOT / "requirements.in").read_text()).splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def blocks(lock: str) -> set[str]:
    """Each package of a lock with its hashes and comments."""
    return set(re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)[1:])


def of_pyproject() -> tuple[list[Requirement], dict[str, list[Requirement]]]:
    """The dependencies of the library, and its extras by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].items()
    return [Requirement(line) for line in project["dependencies"]], {
        name: [Requirement(line) for line in lines] for name, lines in extras
    }


def test_the_extra_reproduce_equals_requirements_in_without_the_development_tools() -> None:
    used, tools = (ROOT / "requirements.in").read_text().split("# development\n")
    _, extras = of_pyproject()
    assert [str(r) for r in extras["reproduce"]] == [str(r) for r in direct(used)]
    assert "pytest" in {r.name for r in direct(tools)}


def test_the_locked_versions_are_in_the_ranges_of_the_library_and_its_mmaction2_extra(
    environment: ModuleType,
) -> None:
    locked = environment.locked(LOCK)
    library, extras = of_pyproject()
    for requirement in library + extras["mmaction2"]:
        assert locked[requirement.name] in requirement.specifier, requirement
        assert not any(part.operator == "==" for part in requirement.specifier), requirement
    assert {r.name for r in library + extras["mmaction2"]} <= {r.name for r in direct()}


@pytest.mark.parametrize("python", ["3.11", "3.12"])
def test_the_lock_satisfies_every_direct_dependency(environment: ModuleType, python: str) -> None:
    locked = environment.locked(LOCK, python)
    for requirement in direct():
        assert requirement.name.lower() in locked, (
            f"{requirement.name} is not in the lock; run `make lock`"
        )
        assert locked[requirement.name.lower()] in requirement.specifier
    assert locked["torch"].split("+")[0] == "2.10.0"


def test_direct_dependencies_have_one_version_on_both_pythons(environment: ModuleType) -> None:
    older, newer = (environment.locked(LOCK, python) for python in ("3.11", "3.12"))
    two = [r.name for r in direct() if older[r.name.lower()] != newer[r.name.lower()]]
    assert two == [], (
        "only the same versions give the same clips and numbers; bound them in requirements.in"
    )


def test_every_locked_package_has_hashes_and_the_lock_names_no_index() -> None:
    found = blocks(LOCK)
    assert len(found) > 100
    assert all("--hash=sha256:" in block for block in found)
    assert "--index-url" not in LOCK
    assert "://" not in re.sub(r"^ *#.*$", "", LOCK, flags=re.MULTILINE)


def test_environment_yml_is_generated_from_the_lock(environment: ModuleType) -> None:
    text = (ROOT / "environment.yml").read_text()
    assert text == environment.environment(), "run `make lock`"
    content = yaml.safe_load(text)
    assert content["channels"][0] == "conda-forge"
    pip = content["dependencies"][-1]["pip"]
    assert pip[-1] == "-e ."
    locked = environment.locked(LOCK)
    assert {line.split("==")[0]: line.split("==")[1] for line in pip[:-1]}.items() >= locked.items()


def test_the_lock_of_make_look_is_a_part_of_the_whole_one(environment: ModuleType) -> None:
    text = (ROOT / "requirements-look.lock").read_text()
    assert text == environment.look(), "run `make lock`"
    assert blocks(text) < blocks(LOCK)
    for python in ("3.11", "3.12"):
        names = environment.locked(text, python).keys()
        assert set(environment.LOOK) < names
        # needed by others that are in it
        assert {"pillow", "pydantic-core", "markupsafe", "contourpy", "rich"} < names
    large = {"torch", "faiss-gpu", "mmengine", "opencv-python-headless", "pyarrow", "scikit-learn"}
    assert not [name for name in names if name in large or name.startswith("nvidia")]


def test_every_direct_dependency_is_documented() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text()
    for requirement in direct():
        stubs = requirement.name.startswith("types-") or requirement.name.endswith("-stubs")
        assert stubs or requirement.name in text, (
            f"docs/dependencies.md does not describe {requirement.name}"
        )
