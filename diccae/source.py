"""Which modules of the package a run executes, and their digest.

A run executes the harness and whatever its composed config names by `type`; the digest covers these
modules and all that they import. So a new system, reader or report leaves the results of other
systems valid, and a change of K-means concerns the stages that cluster.
"""

from __future__ import annotations

import ast
import hashlib
import io
import re
import tarfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from mmengine.config import Config

from diccae.checkout import PACKAGE, git

HARNESS = "diccae.engine.runs"
# What these make is the composed config, which is hashed by itself.
COMPOSING = frozenset(
    f"{PACKAGE}.{name}"
    for name in (
        "compose",
        "config_file",
        "data_settings",
        "plans",
        "run_graph",
        "schedule",
        "sections",
        "settings",
        "systems._infonce",
        "systems._known",
        "systems.spec",
        "validation",
        "variant_file",
        "yaml_file",
    )
)
# Imports every component for the registries; a run executes those that its config names.
REGISTRY = f"{PACKAGE}.registry"
COMMIT = re.compile("[0-9a-f]+")
CLASS = re.compile(r"^class (\w+)", flags=re.MULTILINE)


class SourceTree:
    """The modules of the package by name, as text, with what each imports and defines."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = dict(texts)
        # only modules that a run reaches are parsed
        self._imported: dict[str, list[str]] = {}
        # most runs of a plan execute the same modules
        self._digests: dict[frozenset[str], str] = {}
        self._classes = {
            match: name for name, text in self.texts.items() for match in CLASS.findall(text)
        }

    def closure(self, roots: frozenset[str]) -> list[str]:
        """The roots and all modules that they import, sorted by name."""
        found: set[str] = set()
        waiting = [root for root in roots if root in self.texts]
        while waiting:
            name = waiting.pop()
            if name not in found and name not in COMPOSING and name != REGISTRY:
                found.add(name)
                waiting.extend(self._imports(name))
        return sorted(found)

    def _imports(self, name: str) -> list[str]:
        if name not in self._imported:
            self._imported[name] = list(self._parsed_imports(name))
        return self._imported[name]

    def _parsed_imports(self, name: str) -> Iterator[str]:
        for node in ast.walk(ast.parse(self.texts[name])):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    module = f"{node.module}.{alias.name}"
                    yield from (known for known in (module, node.module) if known in self.texts)
            elif isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names if alias.name in self.texts)

    def roots(self, config: Config, system: str) -> frozenset[str]:
        """The harness, the system's own file and the modules of what the config names by `type`."""
        named = (self._classes[kind] for kind in _types(config.to_dict()) if kind in self._classes)
        return frozenset([HARNESS, f"{PACKAGE}.systems.{system}", *named])

    def digest(self, config: Config, system: str) -> str:
        """First 16 hex digits of the SHA-256 over names and texts of all modules of a run."""
        roots = self.roots(config, system)
        if roots not in self._digests:
            hasher = hashlib.sha256()
            for name in self.closure(roots):
                hasher.update(name.encode() + b"\0" + self.texts[name].encode())
            self._digests[roots] = hasher.hexdigest()[:16]
        return self._digests[roots]


def _types(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("type"), str):
            yield value["type"]
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _types(item)


def module_name(path: str) -> str:
    """`diccae/engine/runs.py` -> `diccae.engine.runs`."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@lru_cache
def present_tree() -> SourceTree:
    """The package as it lies on the disk."""
    root = Path(__file__).resolve().parent
    return SourceTree(
        {
            module_name(path.relative_to(root.parent).as_posix()): path.read_text()
            # Of two classes of one name the last counts: the network in `models`, and not the
            # system in `systems`, whose module a run executes anyway.
            for path in sorted(root.rglob("*.py"), reverse=True)
        }
    )


@lru_cache
def tree_of_commit(commit: str) -> SourceTree | None:
    """The package at a commit of this checkout; None where the commit is not known."""
    # a record may be edited, and git takes what begins with a dash for an option
    archive = git("archive", "--format=tar", commit, PACKAGE) if COMMIT.fullmatch(commit) else None
    if archive is None:
        return None
    return SourceTree(_python_files(archive))


def _python_files(archive: bytes) -> dict[str, str]:
    texts = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            handle = tar.extractfile(member) if member.name.endswith(".py") else None
            if handle is not None:
                texts[module_name(member.name)] = handle.read().decode()
    return texts
