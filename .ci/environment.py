"""Writes two files from requirements.lock: environment.yml, the conda way into the same versions,
and requirements-look.lock, the part of it that `make look` needs. `--check` only compares.

A pip section cannot ask for hashes and leave out dependencies, as `make setup` does, so pip
resolves there. The OpenCV builds that mmengine and mmaction2 ask for by name, and that
overrides.txt keeps out of the lock, are therefore listed at the version of the headless build, and
conda brings the two system libraries that they load.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from packaging.markers import Marker

ROOT = Path(__file__).resolve().parent.parent
# what `diccae look` imports, and pandas' own default for text
LOOK = (
    "jaxtyping",
    "jinja2",
    "matplotlib",
    "numpy",
    "pandas",
    "pydantic",
    "pyyaml",
    "scipy",
    "typer",
)
LOOK_HEAD = "# Made from requirements.lock by `make lock` (.ci/environment.py), for `make look`.\n"
HEAD = """\
# Made from requirements.lock by `make lock` (.ci/environment.py); do not edit.
#   conda env create -f environment.yml
#   conda activate diccae && snakemake --cores all results/table2.csv
name: diccae
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.11
  - pip
  - git
  - make
  - libgl
  - libglib
  - pip:
"""


def locked(text: str, python: str = "3.11") -> dict[str, str]:
    """Package -> version, of the lines of a lock that hold on Linux x86-64 with that Python."""
    where = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "os_name": "posix",
    }
    packages = {}
    for match in re.finditer(
        r"^([a-z0-9][a-z0-9._-]*)==([^ \\\n;]+)(?: *; *([^\\\n]+))?", text, re.MULTILINE
    ):
        if match[3] is None or Marker(match[3].strip()).evaluate(where):
            packages[match[1]] = match[2]
    return packages


def environment() -> str:
    packages = locked((ROOT / "requirements.lock").read_text())
    for line in (ROOT / "overrides.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            packages[line.split(";")[0].strip()] = packages["opencv-python-headless"]
    lines = [f"      - {name}=={version}\n" for name, version in sorted(packages.items())]
    return HEAD + "".join(lines) + "      - -e .\n"


def look() -> str:
    """The lines of the lock, with their hashes, of the packages in LOOK and all that these need."""
    blocks = re.split(
        r"^(?=[a-z0-9])", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE
    )
    # package -> (its lines, the packages that need it): those of a package with two versions follow
    # each other
    found = [(_name(block), block, _needed_by(block)) for block in blocks[1:]]
    kept, before = set(LOOK), set[str]()
    while kept != before:
        before = set(kept)
        kept |= {name for name, _, needed_by in found if needed_by & kept}
    return LOOK_HEAD + "".join(block for name, block, _ in found if name in kept)


def _name(block: str) -> str:
    return block.split("==")[0]


def _needed_by(block: str) -> set[str]:
    """The packages that a block of the lock names behind `via`."""
    comments = re.findall(r"^ +# +(.*)$", block, flags=re.MULTILINE)
    return {comment.removeprefix("via").strip() for comment in comments} - {""}


MADE = {"environment.yml": environment, "requirements-look.lock": look}

if __name__ == "__main__":
    for file, made in MADE.items():
        path = ROOT / file
        if sys.argv[1:] != ["--check"]:
            path.write_text(made())
        elif not path.is_file() or path.read_text() != made():
            sys.exit(f"{file} is not what requirements.lock gives; run `make lock`")
