"""Writes environment.yml from requirements.lock: the conda way into the same versions. `--check`
only compares.

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


if __name__ == "__main__":
    path = ROOT / "environment.yml"
    if sys.argv[1:] == ["--check"]:
        if not path.is_file() or path.read_text() != environment():
            sys.exit("environment.yml is not what requirements.lock gives; run `make lock`")
    else:
        path.write_text(environment())
