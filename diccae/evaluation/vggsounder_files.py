"""The labels and predictions that VGGSounder's measures are computed from."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diccae.errors import UserError
from diccae.stored_file import MAKE_AGAIN, read_json, reading

MODALITIES = ("A", "V", "AV")
TOP = 5
COLUMNS = ("video_id", "label", "modality")


@dataclass(frozen=True)
class Labels:
    """The labels of the test clips.

    Attributes:
        source: name of the file or package, for the table.
        table: one row per (clip, label): id, label (class index), modality (A, V or AV).
        repeated: number of repeated rows, which were dropped.
    """

    source: str
    table: pd.DataFrame
    repeated: int = 0


@dataclass(frozen=True)
class Predictions:
    """The five best classes of each test clip of one run.

    Attributes:
        modality: what the run sees: A, V or AV.
        ids: (N,) clip ids, distinct.
        top: (N, 5) class indices, best first.
        model: names variant and seed, and the fold if there is one; empty where it is not known.
    """

    modality: str
    ids: NDArray[np.str_]
    top: NDArray[np.int64]
    model: str = ""


def clip_id(name: str) -> str:
    """The id of a clip without the suffix that some lists add."""
    return name.removesuffix(".mp4")


def read_labels(path: Path | None, classes: Sequence[str]) -> Labels:
    """Read VGGSounder's labels.

    All clips are kept, also those with background music, as in VGGSounder's own benchmark.

    Args:
        path: a CSV file with the columns video_id, label, modality; None for the labels of the
            installed package.
        classes: class names in the order of their indices.

    Raises:
        UserError: the package is not installed; the file, a column or a modality is wrong; a label
            is not one of `classes`; or a label has two modalities.
    """
    if path is None:
        return _collect(*_packaged(), classes)
    if not path.is_file():
        raise UserError(
            f"{path} not found; name VGGSounder's CSV file with --labels, or omit the option"
        )
    with open(path, newline="", encoding="utf-8-sig") as handle:
        reader = csv.DictReader(handle)
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise UserError(
                f"{path}:1: wanted the columns {', '.join(COLUMNS)}, {', '.join(missing)} missing; "
                "name a CSV file in VGGSounder's format"
            )
        rows = [
            (
                f"{path}:{reader.line_num}",
                row["video_id"] or "",
                row["label"] or "",
                row["modality"] or "",
            )
            for row in reader
        ]
    return _collect(str(path.name), rows, classes)


def _packaged() -> tuple[str, Iterable[tuple[str, str, str, str]]]:
    try:
        from vggsounder import VGGSounder
    except ImportError:
        raise UserError(
            "VGGSounder's labels are not installed; run pip install -e '.[vggsounder]' in "
            "the checkout, or name their CSV file with --labels"
        ) from None
    version = metadata.version("vggsounder")
    # the default leaves out clips with background music, VGGSounder's benchmark does not
    videos = VGGSounder(background_music=None, voice_over=None, static_image=None)
    rows = (
        (f"vggsounder {version}, clip {video.video_id}", video.video_id, label, modality)
        for video in videos
        for label, modality in zip(video.labels, video.modalities, strict=True)
    )
    return f"vggsounder {version}", rows


def _collect(
    source: str, rows: Iterable[tuple[str, str, str, str]], classes: Sequence[str]
) -> Labels:
    index = {name: position for position, name in enumerate(classes)}
    seen: dict[tuple[str, int], str] = {}
    repeated = 0
    for where, name, label, modality in rows:
        if modality not in MODALITIES:
            raise UserError(f"{where}: modality {modality!r}, wanted A, V or AV; correct this row")
        if label not in index:
            raise UserError(
                f"{where}: label {label!r} is not one of the {len(classes)} classes of the run; "
                "score a run that was trained on VGGSound's classes"
            )
        key = (clip_id(name), index[label])
        if seen.get(key, modality) != modality:
            raise UserError(
                f"{where}: label {label!r} is {modality} here and {seen[key]} in an earlier row; "
                "keep one of the rows"
            )
        repeated += key in seen
        seen[key] = modality
    if not seen:
        raise UserError(f"{source} holds no labels; name VGGSounder's CSV file with --labels")
    table = pd.DataFrame(
        {
            "id": [key[0] for key in seen],
            "label": [key[1] for key in seen],
            "modality": list(seen.values()),
        }
    )
    return Labels(source, table, repeated)


def class_names(manifest: Path) -> list[str]:
    """Class names of a manifest in the order of their indices.

    Raises:
        UserError: the manifest is missing, an index has two names, or the indices have a gap.
    """
    if not manifest.is_file():
        raise UserError(
            f"{manifest} is missing, which names the classes; name the plan of the run with --plan"
        )
    with reading(manifest, MAKE_AGAIN):
        table = pd.read_parquet(manifest, columns=["label", "label_name"])
    names = table[table["label"] >= 0].drop_duplicates().sort_values(["label", "label_name"])
    if names["label"].tolist() != list(range(len(names))):
        raise UserError(
            f"{manifest}: wanted one name for each class index from 0; write the manifest again"
        )
    return [str(name) for name in names["label_name"]]


def read_predictions(path: Path, plan_name: str, num_classes: int) -> Predictions:
    """Read the predictions of a fine-tuning run on the test split, with all views.

    Args:
        path: predictions.parquet; record.json in the same folder names the modality.
        plan_name: the plan to which the run must belong.
        num_classes: number of classes.

    Raises:
        UserError: a file or column is missing, the run belongs to another plan, a clip is listed
            twice, or a class index is out of range.
    """
    record_path = path.with_name("record.json")
    for file in (path, record_path):
        if not file.is_file():
            raise UserError(
                f"{file} is missing; name the predictions.parquet in the folder of a fine-tuning "
                "run"
            )
    record = read_json(record_path, "run this fine-tuning again")
    if record["plan"] != plan_name:
        raise UserError(
            f"{path} belongs to plan {record['plan']!r}, not to {plan_name!r}; "
            "name its plan with --plan"
        )
    with reading(path, "run this fine-tuning again"):
        table = pd.read_parquet(path)
    tops = [f"top{rank}" for rank in range(1, TOP + 1)]
    missing = [column for column in ("id", "split", "view", *tops) if column not in table]
    if missing:
        raise UserError(f"{path}: column {missing[0]!r} is missing; run this fine-tuning again")
    table = table[(table["split"] == "test") & (table["view"] == "multi")]
    ids = table["id"].map(clip_id)
    if ids.duplicated().any():
        raise UserError(
            f"{path}: clip {ids[ids.duplicated()].iloc[0]!r} is listed twice; "
            "run this fine-tuning again"
        )
    top = table[tops].to_numpy(np.int64)
    if top.size and (top.min() < 0 or top.max() >= num_classes):
        raise UserError(
            f"{path}: class index {top.min() if top.min() < 0 else top.max()}, "
            f"wanted 0 to {num_classes - 1}; "
            "name the plan of the run with --plan"
        )
    fold = "" if record.get("fold") is None else f" fold {record['fold']}"
    model = f"{record.get('variant')} seed {record.get('seed')}{fold}"
    return Predictions(record["modality"], ids.to_numpy(np.str_), top, model)
