"""The data of a plan: manifest, cache, and clips."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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


def check_data(
    plan: Plan, clips: bool, digests: FileDigests, as_sealed: Callable[[Path], bool]
) -> list[Finding]:
    """The manifest against the cache that was built from it, and the cache against the digests that
    it states; with `clips`, every clip against the manifest.

    Args:
        plan: the plan.
        clips: whether to check the clips.
        digests: of files.
        as_sealed: whether a file has its digest in verify.json. Such a file is stale: another one
            says something else of it.
    """
    meta_path = plan.cache_dir / "meta.json"
    for path in (plan.manifest, meta_path):
        if not path.is_file():
            words = "is missing, so no record can be held against the data"
            return [Finding("data", str(path), words)]
    findings = [
        Finding("stale" if as_sealed(path) else "data", str(path), words)
        for path, words in _against_cache(plan, meta_path, digests)
    ]
    return [*findings, *_check_clips(plan.manifest)] if clips else findings


def _against_cache(plan: Plan, meta_path: Path, digests: FileDigests) -> Iterator[tuple[Path, str]]:
    """(path, message) of manifest and files of the cache that are not as meta.json states."""
    try:
        meta = read_object(meta_path)
    except ValueError as error:
        yield meta_path, str(error)
        return
    if meta.get("manifest_sha256") != digests.of(plan.manifest):
        yield plan.manifest, "is not the manifest that the cache was built from"
    stated = meta.get("sha256", {})
    files = {path.stem: path for path in plan.cache_dir.iterdir() if path != meta_path}
    for name, digest in stated.items() if isinstance(stated, dict) else ():
        path = files.get(name, plan.cache_dir / f"{name}.npy")
        if digests.of(path) != digest:
            yield path, "is missing or not the file that the cache was finished with"


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
