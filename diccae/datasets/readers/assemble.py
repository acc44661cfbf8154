"""Making the manifest of a plan from the lists that it names."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pandas as pd

from diccae.datasets.readers import vggsound
from diccae.datasets.readers.leaks import check_leaks, remove_evaluated
from diccae.datasets.readers.manifest import combine
from diccae.errors import UserError
from diccae.sections import Lists, SourceLists


def assemble(lists: Lists, search: bool = True, folds: bool = False) -> pd.DataFrame:
    """Make the manifest of a plan.

    Recordings of VGGSound's test split are removed from all other sources, one source keeps its
    labels, and update and validation clips are split off its training clips. Recordings in its
    validation and test split are then removed from all other sources.

    Args:
        lists: the plan's `lists`.
        search: whether to search for the files of the clips.
        folds: whether the plan has folds: then no clips are split off, since each fold has update
            and validation clips of its own.

    Returns:
        The manifest; `attrs['sources']` has the counts of each source, `attrs['notes']` sentences
        about what may be wrong in the lists.

    Raises:
        UserError: a list or a folder is wrong, a labelled clip has no label, a class has too few
            clips, or a recording is in two splits (with the file and line, or the class).
    """
    lists.files()
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
    if not folds:
        combined = split_off(
            combined,
            lists.update_per_class,
            lists.validation_per_class,
            found_only=search,
            missing=tables[lists.labelled].attrs.get("missing", ""),
        )
    drawn = (combined["split"].to_numpy() != listed) & (combined["split"] == "validation")
    combined, again = remove_evaluated(combined.assign(drawn=drawn), lists.labelled)
    for name, clips in again.items():
        counts[name]["validation_or_test_removed"] = clips
    notes += check_leaks(combined, combined.pop("drawn").to_numpy(bool))
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
    options = {}
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


def _counts(table: pd.DataFrame) -> dict[str, int]:
    return {
        name: int(table.attrs.get(name, 0))
        for name in ("listed", "duplicates", "found", "ambiguous")
    }


def split_off(
    table: pd.DataFrame,
    update: int,
    validation: int,
    found_only: bool,
    seed: int = 0,
    missing: str = "",
) -> pd.DataFrame:
    """Split update and validation clips off the training clips of each class.

    The draw depends on the ids and on `seed` only, not on the order of the rows.

    Args:
        table: a manifest.
        update: clips per class of the new split `update`.
        validation: clips per class of the new split `validation`.
        found_only: whether to draw from clips with a file only.
        seed: seed of the draw.
        missing: a sentence about clips without a file, for the error.

    Raises:
        UserError: a class has too few training clips.
    """
    wanted = update + validation
    pool = (table["split"] == "train").to_numpy(bool)
    if found_only:
        pool = pool & (table["path"] != "").to_numpy(bool)
    if wanted == 0:
        return table
    rows = np.flatnonzero(pool)
    # sorted by id, so that the order of the list has no influence
    rows = rows[np.argsort(table["id"].to_numpy()[rows], kind="stable")]
    rows = np.random.default_rng([seed, 5]).permutation(rows)
    labels = table["label"].to_numpy()[rows]
    place = pd.Series(labels).groupby(labels).cumcount().to_numpy()
    classes = (
        table[table["label"] >= 0]
        .drop_duplicates("label")
        .set_index("label")["label_name"]
        .sort_index()
    )
    # includes classes of which no training clip was found
    sizes = pd.Series(labels).value_counts().reindex(classes.index, fill_value=0)
    small = sizes[sizes <= wanted]
    if len(small) or not len(rows):
        first = small.iloc[:3]
        shown = ", ".join(
            f"{name!r} has {count}"
            for name, count in zip(classes.loc[first.index], first, strict=True)
        )
        more = f" and {len(small) - 3} more classes have too few" if len(small) > 3 else ""
        raise UserError(
            f"lists: wanted more than {wanted} training clips a class ({update} update, "
            f"{validation} validation), {shown or 'there are none'}{more}; lower "
            "lists.update_per_class or lists.validation_per_class in the plan, "
            "or find the missing files" + (f"; {missing}" if missing else "")
        )
    split = table["split"].to_numpy(dtype=object).copy()
    split[rows[place < update]] = "update"
    split[rows[(place >= update) & (place < wanted)]] = "validation"
    result = table.assign(split=split)
    result.attrs = dict(table.attrs)
    return result
