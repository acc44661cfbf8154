"""Words that name a split: in a column, in the name of a list, and in the paths of clips."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from diccae.datasets.readers.checks import check_rows, closest, place
from diccae.datasets.readers.columns import arrow
from diccae.errors import UserError

# a word -> the split that it means
WORDS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "unlabelled": "unlabelled",
    "unlabeled": "unlabelled",
}
_POOL = {"train", "update", "unlabelled", "unbalanced_train", "balanced_train"}
# the meaning of a word -> the splits that it fits
FITS = {
    "train": _POOL,
    "unlabelled": _POOL,
    "validation": {"validation"},
    "test": {"test", "eval"},
}
# Validation clips are often taken from a data set's training folder, and its validation folder
# often serves as test split.
COMMON = {("train", "validation"), ("validation", "test"), ("validation", "eval")}


def check_splits(rows: pd.DataFrame, known: Iterable[str]) -> None:
    """Check that `split` is one of the known words in every row, in the same case.

    Raises:
        UserError: it is not (with the list and line, the known words and the closest of them).
    """
    known = list(known)
    check_rows(
        rows,
        ~rows["split"].isin(known).to_numpy(bool),
        lambda row: (
            f"wanted a split of {', '.join(known)}, got {row['split']!r}"
            + closest(row["split"], known)
        ),
    )


def split_of_list(path: Path, words: Mapping[str, str], example: str) -> str:
    """The split that the name of a list says, as a word of its own: `contest.csv` says none.

    Args:
        path: the list.
        words: word of a name -> split of the source.
        example: a proper name, for the message.

    Raises:
        UserError: the name says no split of the source, or two.
    """
    tokens = _tokens(path)
    found = {words.get(token) or WORDS.get(token, "") for token in tokens} - {""}
    # 'balanced' and 'train' together say balanced_train
    found = {one for one in found if not any(o != one and o.endswith(one) for o in found)}
    if len(found) != 1 or not found <= set(words.values()):
        said = f", it says {' and '.join(sorted(found))}" if found else ""
        raise UserError(
            f"{path}: the name must say which split it lists{said}; rename it to {example}"
        )
    return found.pop()


def check_list_names(rows: pd.DataFrame) -> list[str]:
    """Compare the splits of rows with the split that the name of their list says, if any.

    Args:
        rows: N rows of lists, with `split`.

    Returns:
        A note for each list of which some rows are in another split.

    Raises:
        UserError: all rows of a list are in another split than its name says.
    """
    notes = []
    for number, path in enumerate(rows.attrs["lists"]):
        said = {WORDS[token] for token in _tokens(Path(path)) if token in WORDS}
        if len(said) != 1:
            continue
        word = said.pop()
        here = (rows["list"] == number).to_numpy(bool)
        sizes = rows.loc[here, "split"].value_counts()
        other = {str(split): int(n) for split, n in sizes.items() if split not in FITS[word]}
        shown = ", ".join(f"{count} {split}" for split, count in other.items())
        if sum(other.values()) == here.sum() and not all((word, s) in COMMON for s in other):
            raise UserError(
                f"{path}: its name says {word}, but its rows are in other splits ({shown}); "
                "correct the column split (a labelled row without one is train), or rename the list"
            )
        if other:
            notes.append(f"{path}: its name says {word}, but it has clips of others ({shown})")
    return notes


def check_paths(rows: pd.DataFrame, paths: pd.Series, own: bool) -> list[str]:
    """Compare the splits of rows with words like `train` or `test` in the paths of their clips.

    A word counts as the whole name of a folder or, in lists of one's own, as a part of the file
    name between the characters `_`, `-`, `.` and blanks; not where it occurs in the name of the
    row's class.

    Args:
        rows: N rows of lists, with `split` and `label_name`.
        paths: their paths, text (N,); empty where there is no file.
        own: whether these are lists of one's own, where the word in the path may be right and the
            split wrong; the splits of a published list are right.

    Returns:
        A note that counts the paths with a word that means another split, if there are any.

    Raises:
        UserError: in a list of one's own, both words name the right split for other clips, so that
            its paths say the split, and one path says another (with the list and line).
    """
    words = "|".join(WORDS)
    pattern = rf"(?i)(^|[/_\-. ])({words})[/_\-. ]" if own else rf"(?i)(^|/)({words})/"
    at = np.flatnonzero(
        pc.match_substring_regex(arrow(paths), pattern).to_numpy(zero_copy_only=False)
    )
    columns = (paths, rows["split"], rows["label_name"])
    shown = [arrow(column).take(pa.array(at)).to_pylist() for column in columns]
    agree: set[str] = set()
    stray: dict[int, str] = {}
    for row, path, split, label in zip(at, *shown, strict=True):
        said = [word for word in _words(path, own) if word not in label.casefold()]
        if any(split in FITS[WORDS[word]] for word in said):
            agree |= {WORDS[word] for word in said if split in FITS[WORDS[word]]}
        elif said:
            stray[row] = said[0]
    if not stray:
        return []

    found = rows.iloc[list(stray)].assign(path=paths.iloc[list(stray)], word=list(stray.values()))
    found.attrs = rows.attrs

    def contradicts(split: str, word: str) -> bool:
        own_words = {meaning for meaning, splits in FITS.items() if split in splits}
        return (
            WORDS[word] in agree and bool(own_words & agree) and (WORDS[word], split) not in COMMON
        )

    def describe(row: pd.Series) -> str:
        return f"{row['path']!r} is listed as {row['split']}, but its path says {row['word']!r}"

    bad = [own and contradicts(*pair) for pair in zip(found["split"], found["word"], strict=True)]
    check_rows(
        found,
        np.array(bad),
        lambda row: f"{describe(row)}, which names the split of other clips in these lists",
        "correct the split, or rename the file or folder if its name means something else",
    )
    first = found.iloc[0]
    return [
        f"clips with the name of another split in the path: {len(found)}, first "
        f"{place(rows, first)}: {describe(first)}"
    ]


def _tokens(path: Path) -> list[str]:
    """The words of a list's name in lower case; a capital letter starts a new one."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", Path(path).stem)]


def _words(path: str, own: bool) -> list[str]:
    """The words of a path that mean a split, in lower case."""
    *folders, name = path.casefold().split("/")
    parts = folders + (re.split(r"[_\-. ]+", name.rpartition(".")[0]) if own else [])
    return [part for part in parts if part in WORDS]
