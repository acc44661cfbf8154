"""Tables and figures of a results folder, against what is computed from the runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from diccae.artifacts import artifacts_of
from diccae.errors import UserError
from diccae.plans import Plan
from diccae.seals.cells import differences
from diccae.seals.finding import Finding


def check_tables(
    plan: Plan, names: Sequence[str], fresh: Path, changed: str, as_sealed: Callable[[Path], bool]
) -> list[Finding]:
    """Every CSV and SVG against a fresh computation from the runs.

    Args:
        plan: the plan.
        names: of its artifacts.
        fresh: empty folder, where they are computed.
        changed: what changed since they were made, in words; empty where nothing is known to have
            changed.
        as_sealed: whether a file has its digest in verify.json, so that it is stale and not edited
            where the runs give something else.
    """
    findings = []
    reasons: dict[str, str] = {}
    for name in names:
        artifact, out = artifacts_of(plan)[name], fresh / f"{name}.csv"
        try:
            artifact.make(plan, out)
        # files of any kind may be damaged in any way
        except Exception as error:
            kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
            reason = f"{kind}{error}"
            first = reasons.setdefault(reason, f"{name}.csv")
            reason = reason if first == f"{name}.csv" else f"for the same reason as {first}"
            words = f"{changed}it cannot be computed again: {reason}"
            findings.append(Finding("stale", f"{plan.results_root() / name}.csv", words))
            continue
        for path in (out, out.with_suffix(".svg")):
            if path.is_file():
                mine = plan.results_root() / path.relative_to(fresh)
                if not mine.is_file():
                    findings.append(Finding("missing", str(mine), "is gone; build it again"))
                elif mine.read_bytes() != path.read_bytes():
                    kind = "stale" if changed or as_sealed(mine) else "edited"
                    found = [] if changed else _compare(mine, path, artifact.columns)
                    words = f"{changed}it is not what the runs give now; build it again"
                    findings += [
                        Finding(kind, f"{mine}{place}", message)
                        for place, message in found or [("", words)]
                    ]
    return findings


def _compare(mine: Path, fresh: Path, columns: Sequence[str]) -> list[tuple[str, str]]:
    """(place, message) of each difference; nothing where only the whole file can be named."""
    if mine.suffix != ".csv":
        return []
    try:
        found = list(differences(mine, fresh, columns))
    except ValueError as error:
        return [("", f"is not a CSV file: {error}; build it again")]
    if not found:
        return [("", "bytes differ from what the runs give, values are equal; build it again")]
    return [(f", {each.where}", each.message) for each in found]
