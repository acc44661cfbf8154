"""What an audit says where the code that runs execute has changed since they were made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from diccae.audit.stored import StoredRun
from diccae.executed_code import is_code_of
from diccae.source import present_tree


def of_later_code(runs: Sequence[StoredRun]) -> str | None:
    """What follows from it for the audit of these runs; None if the code of all is today's.

    Equal bytes say as much as they do with the same code. Other bytes may come from the change.
    """
    tree = present_tree()
    other = [each for each in runs if not is_code_of(tree, each.run, each.record["source_hash"])]
    if not other:
        return None
    return (
        f"note: the code that {len(other)} of {len(runs)} runs execute has changed since they were "
        "made. Equal bytes show that today's code gives them too; if a run differs, the change may "
        f"be why: repeat the audit in {checkout_of(other[0].record)}"
    )


def checkout_of(record: dict[str, Any]) -> str:
    """Where the code of a run is, in words."""
    commit = record["commit"]
    if commit == "unknown":
        return "the checkout that the results were made in: their records name no commit"
    more = ", with the changes that its working tree had then," if record["dirty"] else ""
    return f"a checkout of commit {commit[:10]}{more}"
