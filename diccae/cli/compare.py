"""`diccae compare`: the tables of two results folders, or their scores on the same clips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from diccae.errors import UserError

if TYPE_CHECKING:
    from diccae.reporting.compare import Difference


def compare(
    mine: Annotated[Path, typer.Argument(help="Results folder.")] = Path("results"),
    reference: Annotated[Path, typer.Argument(help="Folder to compare with.")] = Path(
        "results/reference"
    ),
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0, help="Largest difference that counts as equal.")
    ] = 0.0,
    clips: Annotated[
        bool, typer.Option("--clips", help="Compare the runs, on the clips that both scored.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="With --clips: folder for its three tables.", file_okay=False),
    ] = None,
) -> None:
    """Compare the runs and tables of two results folders; exit code 1 if one is different.

    Where both have the runs or the shards of a plan, the predicted classes of the seeds in common
    are compared. Each table is the same bytes, the same values, within the noise of a seed, or
    different; tables of the same runs have no noise between them, and tables of other seeds are
    not compared.
    """
    if clips and tolerance:
        raise UserError("--tolerance is for tables; omit it with --clips")
    if out is not None and not clips:
        raise UserError("--out is for the tables of --clips; add --clips, or omit it")
    if clips:
        _compare_clips(mine, reference, out)
        return
    from diccae.reporting.compare_folders import folder_pairs

    pairs, lacking = folder_pairs(mine, reference)
    differ: list[bool] = []
    for here, there in pairs:
        if differ:
            print()
        differ.append(_compare_plan(here, there, tolerance, (here, there) != (mine, reference)))
    for words in lacking:
        print(f"not compared: {words}")
    raise typer.Exit(code=int(any(differ)))


def _compare_plan(mine: Path, reference: Path, tolerance: float, single: bool) -> bool:
    """Compare two folders of one plan, and print what differs, if anything does.

    Args:
        mine, reference, tolerance: those of the command.
        single: whether other plans below the folders are left out.
    """
    from diccae.reporting.compare import has_tables
    from diccae.reporting.compare_runs import compare_runs, has_runs, has_shards

    print(f"here: {mine}; there: {reference}")
    differ = same_runs = False
    if has_shards(reference) and has_runs(mine):
        runs = compare_runs(mine, reference)
        print(f"{runs.words()}\n")
        differ, same_runs = bool(len(runs.differing)), runs.same
        if runs.here != runs.there:
            print(
                f"not compared: tables, which are of {len(runs.here)} seeds here and of "
                f"{len(runs.there)} there; the page shows both"
            )
            return differ
        without = [str(folder) for folder in (mine, reference) if not has_tables(folder)]
        if without:
            print(f"not compared: tables, which are not in {' and '.join(without)}")
            return differ
    return _compare_tables(mine, reference, tolerance, single, same_runs) or differ


def _compare_tables(
    mine: Path, reference: Path, tolerance: float, single: bool, same_runs: bool
) -> bool:
    from diccae.reporting.compare_words import DIFFERENT, WORDS, judge

    tables, apart = judge(mine, reference, tolerance, same_runs)
    equal = f"numbers that differ by at most {tolerance:g}" if tolerance else "the same numbers"
    print(f"tolerance {tolerance:g}: {equal} are equal\n")
    for table in tables:
        inside = f"  (cells within the noise: {table.within})" if table.within else ""
        print(f"{table.word:28}{table.file}{inside}")
    beyond = [cell for table in tables for cell in table.beyond]
    if beyond:
        print()
    for cell in beyond:
        print(f"{cell.file}, {cell.row}, {cell.column}: {_values(cell)}")
    print()
    for words in () if single else apart:
        print(f"not compared: {words}")
    worst = max((table.word for table in tables), key=WORDS.index)
    count = sum(table.word == worst for table in tables)
    why = "; the runs are the same, so other code or an edit made the difference"
    why = why if same_runs and worst == DIFFERENT else ""
    print(f"{worst}: {count} of {len(tables)} tables{why}")
    return worst == DIFFERENT


def _values(cell: Difference) -> str:
    from diccae.reporting.compare import PRESENT

    if PRESENT in (cell.mine, cell.reference):
        return str(cell.mine if cell.reference == PRESENT else cell.reference)
    stated = "" if cell.spread is None else f" (spread over seeds {cell.spread:.4g})"
    return f"{cell.mine} here, {cell.reference} there{stated}"


def _compare_clips(mine: Path, reference: Path, out: Path | None) -> None:
    from diccae.reporting.compare_clips import compare_clips
    from diccae.reporting.csv_file import save

    found = compare_clips(mine, reference)
    print(found.words())
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for name, table in found.tables().items():
            save(table, out / f"{name}.csv")
            print(f"wrote {out / f'{name}.csv'}")


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(compare)
