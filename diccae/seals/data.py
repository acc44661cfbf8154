"""The data of a plan: manifest, cache, and clips."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from diccae.plans import Plan
from diccae.seals.file_digests import FileDigests
from diccae.seals.finding import Finding
from diccae.seals.record import read_object
from diccae.seals.stated import is_stated

# what may lie beside clips in a data folder
SUFFIXES = {".parquet", ".json", ".csv", ".npy"}


def data_files(plan: Plan) -> list[Path]:
    """Every file of the data folder but the clips and what is stated only."""
    root = Path(plan.data_root)
    # the embedded benchmark keeps digests beside its clips
    files = [*root.glob("*"), *plan.cache_dir.rglob("*"), *root.glob("clips/*.json")]
    return sorted(
        path
        for path in files
        if path.suffix in SUFFIXES and path.is_file() and not is_stated(plan, path)
    )


def changed_data(plan: Plan, digests: FileDigests, sealed: Mapping[str, str]) -> str:
    """Manifest and meta.json of the cache, or the one of them that is not as it was sealed.

    Args:
        plan: the plan.
        digests: of files.
        sealed: digests of files in verify.json, by path.
    """
    both = [str(plan.manifest), str(plan.cache_dir / "meta.json")]
    other = [path for path in both if path in sealed and sealed[path] != digests.of(path)]
    return " or ".join(other or both)


def check_data(
    plan: Plan, clips: bool, digests: FileDigests, sealed: Mapping[str, str]
) -> list[Finding]:
    """The manifest against the cache that was built from it, and the cache against the digests that
    it states; with `clips`, every clip against the manifest.

    Args:
        plan: the plan.
        clips: whether to check the clips.
        digests: of files.
        sealed: digests of files in verify.json, by path.
    """
    meta_path = plan.cache_dir / "meta.json"
    for path in (plan.manifest, meta_path):
        if not path.is_file():
            words = "is missing, so no record can be held against the data"
            return [Finding("data", str(path), words)]
    findings = []
    try:
        meta = read_object(meta_path)
    except ValueError as error:
        findings.append(Finding("data", str(meta_path), str(error)))
    else:
        if meta.get("manifest_sha256") != digests.of(plan.manifest):
            words = f"the cache was not built from {plan.manifest} as it is"
            findings.append(Finding("data", changed_data(plan, digests, sealed), words))
        stated = meta.get("sha256", {})
        for name, digest in stated.items() if isinstance(stated, dict) else ():
            path = plan.cache_dir / f"{name}.npy"
            found = digests.of(path)
            # a file that is as it was sealed is not accused where meta.json was edited
            if found != digest and (found is None or found != sealed.get(str(path))):
                words = "is missing or not the file that the cache was finished with"
                findings.append(Finding("data", str(path), words))
    return [*findings, *_check_clips(plan.manifest)] if clips else findings


def _check_clips(manifest: Path) -> Iterator[Finding]:
    try:
        table = pd.read_parquet(manifest)
    except (OSError, ValueError) as error:
        yield Finding("data", str(manifest), f"it cannot be read: {error}")
        return
    if "sha256" not in table:
        words = "was read from lists, which hold no hashes of clips: the clips were not checked"
        yield Finding("data", str(manifest), words, problem=False)
        return
    digests = FileDigests()
    for name, wanted in table[["path", "sha256"]].itertuples(index=False):
        path = manifest.parent / name
        if digests.of(path) != wanted:
            words = "is missing or not the clip that the manifest lists"
            yield Finding("data", str(path), words)
