"""Making the manifest of a plan from the lists that it names."""

from __future__ import annotations

import importlib
from pathlib import Path

import pandas as pd

from diccae.datasets.readers import vggsound
from diccae.datasets.readers.classes import read_classes
from diccae.datasets.readers.groups import check_official_folds, keep_groups_whole
from diccae.datasets.readers.leaks import check_leaks
from diccae.datasets.readers.manifest import combine
from diccae.datasets.readers.split_off import split_off
from diccae.errors import UserError
from diccae.source_lists import Folds, Lists, SourceLists

# counts of rows that a reader leaves out
LEFT_OUT = ("other_classes", "other_folds")


def assemble(
    lists: Lists,
    search: bool = True,
    folds: Folds | None = None,
    num_classes: int | None = None,
) -> pd.DataFrame:
    """Make the manifest of a plan.

    Recordings of VGGSound's test split are removed from all other sources, one source keeps its
    labels, and update and validation clips are split off its training clips. Groups of its update,
    validation and test clips are then removed from training, in all sources.

    Args:
        lists: the plan's `lists`.
        search: whether to search for the files of the clips.
        folds: the folds of the plan; with folds no clips are split off, since each fold has update
            and validation clips of its own.
        num_classes: the number of names that a class list of the labelled source must have; None
            for any.

    Returns:
        The manifest; `attrs['sources']` has the counts of each source, `attrs['notes']` sentences
        about what may be wrong in the lists.

    Raises:
        UserError: a list or a folder is wrong, a class list has more or fewer names, a labelled
            clip has no label, a class has too few clips, or a recording or group is in two splits
            or official folds (with the file and line, or the class).
    """
    lists.files()
    _check_class_list(lists, num_classes)
    tables: dict[str, pd.DataFrame] = {
        source.reader: read_source(source, search) for source in lists.sources
    }
    notes = [f"{name}: {note}" for name, table in tables.items() for note in table.attrs["notes"]]
    removed: dict[str, int] = {}
    if "vggsound" in tables:
        for name in tables:
            if name != "vggsound":
                tables[name], removed[name] = vggsound.exclude_vggsound_test(
                    tables[name], tables["vggsound"]
                )
    combined = combine(list(tables.values()), lists.labelled)
    counts = {
        name: {**_counts(table), "vggsound_test_removed": removed.get(name, 0)}
        for name, table in tables.items()
    }
    listed = combined["split"].to_numpy()
    if folds is None:
        combined = split_off(
            combined,
            lists.update_per_class,
            lists.validation_per_class,
            found_only=search,
            missing=tables[lists.labelled].attrs.get("missing", ""),
        )
    elif folds.kind == "official":
        notes += check_official_folds(combined, folds.shared_groups == "refuse")
    drawn = combined["split"].to_numpy() != listed
    combined, again = keep_groups_whole(combined.assign(drawn=drawn), drawn)
    for name, clips in again.items():
        counts[name]["of_held_out_groups_removed"] = clips
    drawn = (combined.pop("drawn") & (combined["split"] == "validation")).to_numpy(bool)
    notes += check_leaks(combined, drawn)
    combined.attrs |= {"sources": counts, "notes": notes}
    return combined


def read_source(source: SourceLists, search: bool = True) -> pd.DataFrame:
    """Read the lists of one source of a plan to a manifest.

    Args:
        source: one of the plan's `lists.sources`.
        search: whether to search for the files of the clips.

    Raises:
        UserError: a list or a folder is wrong, or the folder has none of the clips.
    """
    if search and not Path(source.media).is_dir():
        raise UserError(
            f"lists.sources: there is no folder {source.media} with the clips of {source.reader}; "
            "put the clips or a symbolic link there, or change lists.sources in the plan; see "
            "docs/data.md"
        )
    reader = importlib.import_module(f"diccae.datasets.readers.{source.reader}")
    options: dict[str, Path | str] = {}
    if source.subset is not None:
        options["subset"] = source.subset
    if source.classes is not None:
        options["classes"] = (
            source.classes if source.classes in ("31", "32") else Path(source.classes)
        )
    table = reader.read(
        [Path(path) for path in source.lists], Path(source.media) if search else None, **options
    )
    if search and not table.attrs["found"]:
        raise UserError(
            f"lists.sources: the folder {source.media} has no clip of {source.reader}: "
            + (table.attrs.get("missing") or f"{len(table)} clips have no file")
            + "; change media of this source in the plan or put the clips there"
        )
    return table


def _check_class_list(lists: Lists, wanted: int | None) -> None:
    path = next(source.classes for source in lists.sources if source.reader == lists.labelled)
    if wanted is None or path is None or path.isdigit():
        return
    found = len(read_classes(Path(path)))
    if found != wanted:
        raise UserError(
            f"{path}: wanted {wanted} classes, as data.num_classes says, got {found}; "
            f"{'remove' if found > wanted else 'add'} names, or set data.num_classes: {found} in "
            "the plan's overrides"
        )


def _counts(table: pd.DataFrame) -> dict[str, int]:
    always = {
        name: int(table.attrs.get(name, 0))
        for name in ("listed", "duplicates", "found", "ambiguous")
    }
    left_out = {name: table.attrs[name] for name in LEFT_OUT if name in table.attrs}
    return always | left_out
