"""UCF101: `trainlist0N.txt`, `testlist0N.txt`, `classInd.txt`.

Their rows are `Class/v_Class_g08_c01.avi 1`, the same without a label, and `1 Class`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from diccae.datasets.readers.checks import check_rows, drop_duplicates
from diccae.datasets.readers.classes import add_labels, read_classes
from diccae.datasets.readers.columns import arrow, text
from diccae.datasets.readers.layouts import Layout
from diccae.datasets.readers.list_files import read_lists, read_rows
from diccae.datasets.readers.locate import locate
from diccae.datasets.readers.manifest import manifest
from diccae.datasets.readers.split_words import split_of_list
from diccae.errors import UserError

LAYOUT = Layout("v_<class>_g<group>_c<clip>", lambda rows: rows["id"], True)
WORDS = {"trainlist": "train", "train": "train", "testlist": "test", "test": "test"}
ROW = r"^(?P<label_name>[^/]+)/(?P<id>(?P<video>v_\w+_g\d+)_c\d+)\.avi(?P<number> +\d+)?$"


# UCF101's authors state that 51 of its classes have sound (arXiv:1212.0402, Table 1). These are the
# classes that UCF101 has and UCF50 has not. Two lists that others made from the files name the
# same: datasets/ucf_51 of github.com/GeWu-Lab/cross-modal-distillation, and mteb/UCF101-51VA.
CLASSES_WITH_SOUND = (
    "ApplyEyeMakeup",
    "ApplyLipstick",
    "Archery",
    "BabyCrawling",
    "BalanceBeam",
    "BandMarching",
    "BasketballDunk",
    "BlowDryHair",
    "BlowingCandles",
    "BodyWeightSquats",
    "Bowling",
    "BoxingPunchingBag",
    "BoxingSpeedBag",
    "BrushingTeeth",
    "CliffDiving",
    "CricketBowling",
    "CricketShot",
    "CuttingInKitchen",
    "FieldHockeyPenalty",
    "FloorGymnastics",
    "FrisbeeCatch",
    "FrontCrawl",
    "Haircut",
    "Hammering",
    "HammerThrow",
    "HandstandPushups",
    "HandstandWalking",
    "HeadMassage",
    "IceDancing",
    "Knitting",
    "LongJump",
    "MoppingFloor",
    "ParallelBars",
    "PlayingCello",
    "PlayingDaf",
    "PlayingDhol",
    "PlayingFlute",
    "PlayingSitar",
    "Rafting",
    "ShavingBeard",
    "Shotput",
    "SkyDiving",
    "SoccerPenalty",
    "StillRings",
    "SumoWrestling",
    "Surfing",
    "TableTennisShot",
    "Typing",
    "UnevenBars",
    "WallPushups",
    "WritingOnBoard",
)


def read(
    lists: Sequence[Path],
    media: Path | None,
    classes: Path | None = None,
    subset: str | None = None,
) -> pd.DataFrame:
    """Make a manifest of the clips, whole files of unknown length (`end` NaN).

    The group of `v_Archery_g08_c01` is `Archery_g08`, whose clips are cut from one video or show
    the same people and place. Labels count from 0; those in the lists count from 1.
    `attrs['other_classes']` counts the rows outside the subset.

    Args:
        lists: the list files.
        media: the folder with the clips, at any depth; None to read the lists only.
        classes: `classInd.txt`; None for the one in the folder of the first list.
        subset: 'sound' for the classes whose clips have sound, numbered anew; None for all.

    Raises:
        UserError: a list or a row is wrong, a label contradicts `classInd.txt`, two rows
            contradict each other (with the lines), or the lists have no clip of a class of the
            subset.
    """
    if classes is None and lists:
        classes = Path(lists[0]).with_name("classInd.txt")
        if not classes.is_file():
            raise UserError(
                f"{classes}: no such file; put UCF101's classInd.txt into the folder of the lists "
                "or name it with --classes"
            )
    rows = read_lists(lists, _read_list)
    add_labels(rows, read_classes(Path(str(classes))))
    given = pd.to_numeric(rows["number"]).to_numpy()
    check_rows(
        rows,
        ~np.isnan(given) & (given != rows["label"] + 1),
        lambda row: (
            f"the label is {row['number'].strip()}, "
            f"but {row['label_name']} is {row['label'] + 1} in {classes}"
        ),
    )
    if subset is not None:
        rows = _with_sound(rows, Path(str(classes)))
    rows = drop_duplicates(rows, ["label_name", "split"])
    rows["start"], rows["end"] = 0.0, np.nan
    rows["group"] = text(pc.utf8_slice_codeunits(arrow(rows["video"]), 2))
    return manifest(locate(rows, media, [LAYOUT]), "ucf101")


def _with_sound(rows: pd.DataFrame, classes: Path) -> pd.DataFrame:
    names = [name for name in rows.attrs["classes"] if name in CLASSES_WITH_SOUND]
    absent = sorted(set(names) - set(rows["label_name"]))
    if absent or not names:
        found = f"{classes} has none of them"
        if absent:
            found = f"there is no clip of {len(absent)} of them, {', '.join(absent[:3])}"
        raise UserError(
            f"{', '.join(rows.attrs['lists'])}: wanted clips of UCF101's classes with sound, but "
            f"{found}; download the lists again, or leave subset out"
        )
    inside = rows["label_name"].isin(names).to_numpy(bool)
    chosen = rows[inside].reset_index(drop=True)
    chosen.attrs = rows.attrs | {"other_classes": int((~inside).sum())}
    add_labels(chosen, names)
    return chosen


def _read_list(path: Path) -> pd.DataFrame:
    split = split_of_list(path, WORDS, "trainlist01.txt or testlist01.txt")
    rows = read_rows(path, ["row"])
    rows.attrs = {"lists": [str(path)]}
    rows["list"] = 0
    named = pc.extract_regex(arrow(rows["row"]), ROW)
    check_rows(
        rows,
        named.is_null().to_numpy(zero_copy_only=False),
        lambda row: f"wanted Class/v_Class_g01_c01.avi and perhaps a label, got {row['row']!r}",
    )
    for column in ("label_name", "id", "video", "number"):
        rows[column] = text(pc.struct_field(named, column))
    return rows[["label_name", "id", "video", "number", "line"]].assign(split=split)
