"""apptainer.def installs what the Dockerfile does, and the Snakefile names the image it builds."""

from __future__ import annotations

import re
from types import ModuleType

import pytest

from tests.documents import ROOT, load_script

DOCKERFILE = (ROOT / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script(ROOT / ".ci" / "apptainer.py")


def test_the_recipe_is_made_from_the_dockerfile(script: ModuleType) -> None:
    assert script.RECIPE.read_text() == script.recipe(DOCKERFILE), (
        "apptainer.def is not what the Dockerfile gives; run `python .ci/apptainer.py`"
    )


def test_both_install_and_copy_the_same() -> None:
    recipe = (ROOT / "apptainer.def").read_text()
    for tool in ("pip install", "apt-get install"):
        wanted = re.findall(rf"{tool} [^\n\\]*[^\n\\ ]", DOCKERFILE)
        assert wanted
        assert re.findall(rf"{tool} [^\n\\]*[^\n\\ ]", recipe) == wanted
    copied = re.findall(r"^COPY (?!--from)(?:--\S+ )?(.+) \S+$", DOCKERFILE, flags=re.MULTILINE)
    listed = recipe.partition("%files\n")[2].partition("\n\n")[0].split()[::2]
    assert set(listed) == {source for sources in copied for source in sources.split()}
    # nothing is left that only Docker fills in
    assert "${" not in recipe


def test_a_job_in_the_image_has_no_commit_of_the_image(script: ModuleType) -> None:
    """`apptainer run` has the code of the image; jobs of Snakemake have that of the checkout."""
    before, _, start = script.recipe(DOCKERFILE).partition("%runscript")
    assert "DICCAE_COMMIT" not in before.partition("Bootstrap")[2]
    assert 'export DICCAE_COMMIT="{{ COMMIT }}"' in start


def test_what_the_script_cannot_translate_is_refused(script: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"does not know VOLUME; add it there"):
        script.recipe("FROM a\nVOLUME /data\n")
    with pytest.raises(ValueError, match=r"wanted one base in all stages, found \['a', 'b'\]"):
        script.recipe("FROM a AS one\nFROM b\n")


def test_the_snakefile_names_the_image_that_docs_and_recipe_build() -> None:
    (image,) = re.findall(r'^container: "(.+)"$', (ROOT / "Snakefile").read_text(), re.MULTILINE)
    for page in ("apptainer.def", "docs/cluster.md"):
        assert f"{image} apptainer.def" in (ROOT / page).read_text()
    assert f"/{image}" in (ROOT / ".gitignore").read_text().splitlines()
