"""Which folders of two results folders are compared with each other: one plan each."""

from __future__ import annotations

from pathlib import Path

from diccae.committed import DATA_SETS_TABLE
from diccae.errors import UserError
from diccae.plan_name import results_root_of
from diccae.reporting.compare_runs import has_shards


def folder_pairs(here: Path, there: Path) -> tuple[list[tuple[Path, Path]], list[str]]:
    """The folders to compare, and the plans of `there` that `here` lacks, in words.

    Both folders themselves, unless `there` has folders of plans alone, as `results/reference` does
    beside its table over all of them: then each of them and that of the same plan, which is `here`
    itself for the default plan, or its folder of that name in a copy of such a folder.

    Raises:
        UserError: `here` has nothing of any of these plans.
    """
    subfolders = [path for path in sorted(there.glob("*")) if _is_filled(path)]
    if _is_filled(there) or not subfolders:
        return [(here, there)], []
    pairs, lacking = [], []
    for folder in subfolders:
        root = here / results_root_of(folder.name).relative_to("results")
        places = [root, here / folder.name]
        own = next((p for p in places if _is_filled(p) or (p / "runs").is_dir()), None)
        if own is not None:
            pairs.append((own, folder))
        else:
            lacking.append(f"{folder.name}: {root} has nothing of it")
    if not pairs and here.is_dir():
        raise UserError(
            f"{there} and {here} have no plan in common ({'; '.join(lacking)}); run one of these "
            "plans first, or name the folders of one plan"
        )
    return (pairs or [(here, there)]), lacking


def _is_filled(folder: Path) -> bool:
    """Whether a folder has shards or tables of a plan itself."""
    tables = (path for path in folder.glob("*.csv") if path.name != DATA_SETS_TABLE.name)
    return folder.is_dir() and (has_shards(folder) or any(tables))
