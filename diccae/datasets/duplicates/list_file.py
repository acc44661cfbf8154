"""The list of near-duplicates: its columns, and which clips it leaves out of a plan."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from diccae.errors import UserError
from diccae.stored_file import reading

COLUMNS = (
    "rank",
    "first",
    "first_split",
    "first_source",
    "second",
    "second_split",
    "second_source",
    "sound",
    "picture",
    "dropped",
    "manifest",
)
# an id may look like a number
TEXT = {name: str for name in COLUMNS if name not in ("rank", "sound", "picture")}
# hex digits of the SHA-256 of the manifest that rows keep
DIGITS = 16
AGAIN = "make it again with `diccae data duplicates`"


def read_list(path: Path, manifest_sha256: str | None = None) -> pd.DataFrame:
    """Read a list of near-duplicates.

    Args:
        path: a list that `diccae data duplicates` wrote; rows may have been removed.
        manifest_sha256: digest of the manifest that it must have been made from; None for any.

    Raises:
        UserError: it is missing, no such list, or was made from another manifest.
    """
    with reading(path, AGAIN):
        table = pd.read_csv(path, dtype=TEXT, keep_default_na=False)
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise UserError(
            f"{path}: it is no list of near-duplicates, no column {missing[0]}; {AGAIN}"
        )
    if manifest_sha256 is None:
        return table
    other = table.loc[table["manifest"] != manifest_sha256[:DIGITS], "manifest"]
    if len(other):
        raise UserError(
            f"{path}: it was made from another manifest ({other.iloc[0]}, and that of the clips is "
            f"{manifest_sha256[:DIGITS]}); {AGAIN}"
        )
    return table


def dropped_clips(path: Path, table: pd.DataFrame, clips: pd.DataFrame) -> pd.Series:
    """The clips that a list leaves out, with the reason of each, by row of `clips`.

    Args:
        path: the list, for errors.
        table: its content.
        clips: a manifest or the index of a cache, with `id` and `split`.

    Raises:
        UserError: a clip is not known, an id names several clips, a row drops a clip that it does
            not name, or a test clip.
    """
    place = pd.Series(clips.index, clips["id"].astype(str))
    several = set(place.index[place.index.duplicated()])
    for number, row in zip(table.index, table.to_dict("records"), strict=True):
        # the header is line 1
        where = f"{path}, line {number + 2}"
        unknown = [name for name in (row["first"], row["second"]) if name not in place.index]
        if unknown:
            raise UserError(f"{where}: no clip of the manifest is {unknown[0]!r}; {AGAIN}")
        if several & {row["first"], row["second"]}:
            raise UserError(
                f"{where}: {min(several & {row['first'], row['second']})!r} is the id of several "
                "clips of the manifest; give each an id of its own, in the column id of its list"
            )
        if row["dropped"] not in ("", row["second"]):
            raise UserError(
                f"{where}: wanted `dropped` empty or {row['second']!r}, the second clip of the "
                f"pair, got {row['dropped']!r}; correct it, or {AGAIN}"
            )
    listed = table[table["dropped"] != ""].drop_duplicates("dropped")
    rows = place[listed["dropped"]].to_numpy()
    tested = clips.loc[rows, "split"] == "test"
    if tested.any():
        raise UserError(
            f"{path}: it drops {clips.loc[rows, 'id'][tested].iloc[0]}, a test clip, which "
            f"always stays; clear `dropped` in its row, or {AGAIN}"
        )
    words = listed["dropped"] + ": near-duplicate of " + listed["first"]
    words += " (" + listed["first_split"] + ", " + listed["first_source"] + ")"
    return pd.Series(words.to_numpy(), rows, dtype=object)
