"""Which folders of two results folders are compared with each other: one plan each."""

from __future__ import annotations

from pathlib import Path

from diccae.errors import UserError
from diccae.plan_name import results_root_of
from diccae.reporting.compare_runs import has_shards


def folder_pairs(here: Path, there: Path) -> tuple[list[tuple[Path, Path]], list[str]]:
    """The folders to compare, and the plans of `there` that `here` lacks, in words.

    Both folders themselves, unless `there` has folders of plans alone, as `results/reference` does:
    then each of them and that of the same plan, which is `here` itself for the default plan.

    Raises:
        UserError: `here` has nothing of any of these plans.
    """
    subfolders = [path for path in sorted(there.glob("*")) if _is_filled(path)]
    if _is_filled(there) or not subfolders:
        return [(here, there)], []
    pairs, lacking = [], []
    for folder in subfolders:
        own = here / results_root_of(folder.name).relative_to("results")
        if _is_filled(own) or (own / "runs").is_dir():
            pairs.append((own, folder))
        else:
            lacking.append(f"{folder.name}: {own} has nothing of it")
    if not pairs and here.is_dir():
        raise UserError(
            f"{there} and {here} have no plan in common ({'; '.join(lacking)}); run one of these "
            "plans first, or name the folders of one plan"
        )
    return (pairs or [(here, there)]), lacking


def _is_filled(folder: Path) -> bool:
    return folder.is_dir() and (has_shards(folder) or any(folder.glob("*.csv")))
