"""Files of a results folder that are none of its plan's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from diccae.plans import Plan, known_plans
from diccae.reporting.interim_page import interim_path
from diccae.run_graph import scored_runs, with_parents
from diccae.seals.finding import Finding
from diccae.seals.seal import seal_path
from diccae.seals.stated import is_stated

# from so many on, the unknown folders and files below one folder are one note
MANY = 6


def check_extras(plan: Plan, known: Iterable[str]) -> list[Finding]:
    """A note on every file or folder that does not belong to the plan.

    Files within a run's own folder are left to the check of the run.

    Args:
        plan: the plan.
        known: paths of its files beside page and verify.json.
    """
    root = plan.results_root()
    # those of seeds that were not asked for are the plan's too
    whole = plan.whole
    runs = {run.folder for run in with_parents(scored_runs(whole, whole.needs()))}
    expected = {*map(Path, known), seal_path(plan), root / "report.html"}
    # of results that are not computed here, there is no page of results so far
    if not plan.elsewhere:
        expected.add(interim_path(plan))
    folders = runs.union(*(path.parents for path in (*expected, *runs)))
    unknown: dict[Path, list[Path]] = defaultdict(list)
    for path in _files(root, _foreign(plan), folders):
        if path not in expected and path.parent not in runs and not is_stated(plan, path):
            place = next(p for p in (*reversed(path.parents), path) if _below(p, root, folders))
            unknown[place].append(path)
    by_top: dict[Path, list[Path]] = defaultdict(list)
    for place in unknown:
        by_top[root / place.relative_to(root).parts[0]].append(place)
    findings = []
    for top, places in by_top.items():
        for place in [top] if len(places) >= MANY else places:
            files = [path for each in places for path in unknown[each] if place in (each, top)]
            words = "is not a file of this plan"
            if files != [place]:
                words = f"files that are not of this plan: {len(files)}, such as {files[0]}"
            findings.append(Finding("extra", str(place), words, problem=False))
    return findings


def _below(path: Path, root: Path, folders: set[Path]) -> bool:
    return root in path.parents and path not in folders


def _files(folder: Path, left_out: set[Path], known: set[Path]) -> Iterable[Path]:
    """Files below a folder, and links to folders that the plan does not know: these may lead
    anywhere, also back up."""
    for path in sorted(folder.iterdir()):
        if path in left_out:
            continue
        if path.is_dir() and (path in known or not path.is_symlink()):
            yield from _files(path, left_out, known)
        else:
            yield path


def _foreign(plan: Plan) -> set[Path]:
    """What lies in the results folder of the default plan and is not its own."""
    root, results = plan.results_root(), Path("results")
    if root != results:
        return {Path(plan.data_root)}
    names = (
        "README.md",
        "data",
        "work",
        "reference",
        "logs",
        "benchmarks",
        "changed",
        *known_plans(),
    )
    return {results / name for name in names} | {Path(plan.data_root)}
