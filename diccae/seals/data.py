"""The data of a plan: manifest, cache, and clips."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from diccae.clips_folder import clips_command, clips_folder
from diccae.datasets.features.checks import feature_damage
from diccae.datasets.integrity import Problem, data_problems
from diccae.plans import Plan
from diccae.seals.finding import Finding
from diccae.seals.stated import is_stated
from diccae.settings import plan_settings

# what may lie beside clips in a data folder
SUFFIXES = {".parquet", ".json", ".csv", ".npy"}


def data_files(plan: Plan) -> list[Path]:
    """Every file of the data folder but the clips and what is stated only."""
    root = Path(plan.data_root)
    # the embedded benchmark keeps digests beside its clips
    files = [*root.glob("*"), *plan.cache_dir.rglob("*"), *root.glob("clips/*.json")]
    # parts of stored features lie deeper, and their digests are in its meta.json
    files += clips_folder(plan).glob("*")
    return sorted(
        path
        for path in dict.fromkeys(files)
        if path.suffix in SUFFIXES and path.is_file() and not is_stated(plan, path)
    )


def check_data(plan: Plan, clips: bool, as_sealed: Callable[[Path], bool]) -> list[Finding]:
    """Manifest, cache, clips, truth and ledger against the digests that were written with them.

    Args:
        plan: the plan.
        clips: whether to read every clip.
        as_sealed: whether a file has its digest in verify.json. Such a file is stale: another one
            says something else of it.
    """
    meta_path = clips_folder(plan) / "meta.json"
    for path in (plan.manifest, meta_path):
        if not path.is_file():
            words = "is missing, so no record can be held against the data"
            return [Finding("data", str(path), words)]
    try:
        found = []
        if meta_path.parent != plan.cache_dir:
            again = clips_command(plan)
            found = [Problem(where, words, again) for where, words in feature_damage(plan)]
        # features are used without the cache that they were computed from
        if (plan.cache_dir / "meta.json").is_file():
            found += data_problems(plan, settings=plan_settings(plan)["cache"], clips=clips)
    # files of any kind may be damaged in any way
    except Exception as error:
        words = f"the data cannot be checked: {type(error).__name__}: {error}"
        return [Finding("data", f"{meta_path} or {plan.manifest}", words)]
    findings = []
    for problem in found:
        way_out = problem.way_out
        way_out = f"run `{way_out}`" if way_out.startswith("diccae ") else way_out
        kind = "stale" if as_sealed(Path(problem.where)) else "data"
        words = f"{problem.message}; {way_out}"
        findings.append(Finding(kind, problem.where, words, problem.wrong))
    return findings
