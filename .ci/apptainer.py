"""Writes apptainer.def from the Dockerfile: the same base, packages, files and environment.

    python .ci/apptainer.py

The stages become one, since an Apptainer image has no layers that could be kept. What Apptainer
brings itself is left out: the user, with a home and a name. What the image says of its own build is
set in the run script alone, since a job that Snakemake starts in the image (`--sdm apptainer`) runs
the code of the checkout.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECIPE = ROOT / "apptainer.def"
HEAD = """\
# Made from the Dockerfile by `python .ci/apptainer.py`; do not edit.
# docs/cluster.md says what was tried.
#
#   commit=$(git describe --always --exclude='*' --abbrev=40 --dirty)
#   apptainer build --build-arg COMMIT="$commit" diccae-repro.sif apptainer.def
#   mkdir -p results
#   apptainer run --bind "$PWD/results:/diccae/results" diccae-repro.sif results/table2.csv
#
# As with Docker, no word after the image stands for everything. --nv adds GPUs. docs/cluster.md
# says how Snakemake runs single jobs in the image. Needs Apptainer 1.2 or later.

Bootstrap: docker
"""
GIVEN = ("HOME", "USER")
OF_BUILD = "DICCAE_"
# Apptainer hands the caller's environment on. A scheduler's TMPDIR is often a folder that the image
# does not have; a temporary file then goes to the working folder, which is read-only.
TEMPORARY = {"TMPDIR": "/tmp"}


def instructions(text: str) -> list[tuple[str, str]]:
    """Each instruction of a Dockerfile and what follows it, without comments."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    split = (line.split(maxsplit=1) for line in joined.splitlines() if line.strip())
    return [(name, rest) for name, rest in split]


def pairs(text: str) -> dict[str, str]:
    """`A=1 B="2 3"` -> {A: 1, B: 2 3}."""
    words = (word.partition("=") for word in shlex.split(text))
    return {name: value for name, _, value in words}


def copied(words: list[str], folder: str) -> tuple[list[str], list[str]]:
    """The lines of section `files` and the commands that follow from a COPY instruction."""
    options = pairs(" ".join(word[2:] for word in words if word.startswith("--")))
    *sources, place = (word for word in words if not word.startswith("--"))
    if "from" in options:
        # from an earlier stage: it is there already
        return [], []
    targets = [Path(folder, place, Path(s).name if place.endswith("/") else "") for s in sources]
    files = [f"{source} {target}" for source, target in zip(sources, targets, strict=True)]
    return files, [f"chmod {options['chmod']} {target}" for target in targets if "chmod" in options]


def recipe(text: str) -> str:
    """The recipe of a Dockerfile.

    Raises:
        ValueError: it has an instruction that this script does not know, or stages with several
            bases.
    """
    arguments: dict[str, str] = {}
    variables: dict[str, str] = {}
    labels: dict[str, str] = {}
    files, commands, bases, folder, start = [], ["set -eu"], set(), "/", ""
    for name, rest in instructions(text):
        if name == "ARG":
            arguments |= {key: value for key, value in pairs(rest).items() if value}
        elif name == "FROM":
            bases.add(rest.partition(" AS ")[0])
        elif name == "RUN":
            commands.append(rest.replace(" && ", " \\\n    && "))
        elif name == "COPY":
            lines, further = copied(shlex.split(rest), folder)
            files += lines
            commands += further
        elif name == "ENV":
            commands.append(f"export {rest}")
            variables |= pairs(rest)
        elif name == "LABEL":
            labels |= pairs(rest)
        elif name == "WORKDIR":
            folder = rest
            commands.append(f"cd {rest}")
        elif name == "ENTRYPOINT":
            start = " ".join(re.findall(r'"(.*?)"', rest))
        elif name != "USER":
            raise ValueError(f"Dockerfile: .ci/apptainer.py does not know {name}; add it there")
    if len(bases) > 1:
        raise ValueError(f"Dockerfile: wanted one base in all stages, found {sorted(bases)}")
    # what is set after the last command is of the finished image alone
    while commands[-1].startswith("export"):
        commands.pop()
    of_build = {k: v for k, v in variables.items() if k.startswith(OF_BUILD)}
    kept = {k: v for k, v in variables.items() if k not in (*GIVEN, *of_build)} | TEMPORARY
    parts = [
        HEAD + f"From: {bases.pop()}\n",
        section("arguments", [f"{key}={value}" for key, value in arguments.items()]),
        section("files", list(dict.fromkeys(files))),
        section("post", commands),
        section("environment", [f"export {key}={value}" for key, value in kept.items()]),
        section("labels", [f"{key} {value}" for key, value in labels.items()]),
        section(
            "runscript",
            [*(f'export {k}="{v}"' for k, v in of_build.items()), f'exec {start} "$@"'],
        ),
    ]
    # Apptainer's own way to name an argument of the build
    return re.sub(r"\$\{(\w+)\}", r"{{ \1 }}", "".join(parts))


def section(name: str, lines: list[str]) -> str:
    """A section of a recipe."""
    body = "".join(f"    {line}\n" for text in lines for line in text.splitlines())
    return f"\n%{name}\n{body}"


if __name__ == "__main__":
    RECIPE.write_text(recipe((ROOT / "Dockerfile").read_text()))
