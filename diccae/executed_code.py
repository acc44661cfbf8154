"""Whether the code that a record names by its digest is given code."""

from __future__ import annotations

from functools import lru_cache

from diccae.run_graph import Run
from diccae.source import SourceTree


def is_code_of(tree: SourceTree, run: Run, digest: str) -> bool:
    """Whether the `source_hash` of a record is that of the modules that its run executes.

    Two systems declare a class of the name of their network (GBlend, Attn AV). The digest of an
    older record covers the one of them that the file system listed last, which differs between
    machines, so the digests for both orders are those of the same code.
    """
    config, system = run.config(), run.settings.system.name
    return any(each.digest(config, system) == digest for each in _orders(tree))


@lru_cache
def _orders(tree: SourceTree) -> tuple[SourceTree, SourceTree]:
    listed = sorted(tree.texts.items())
    return SourceTree(dict(listed)), SourceTree(dict(listed[::-1]))
