"""VGGSounder: VGGSound predictions scored on the re-annotated labels, several a clip, each tagged audible (A), visible (V) or both (AV).

The measures are those of the package `vggsounder` 1.0: the top k classes of a clip are its predicted labels; F1 micro pools all (clip, class) decisions,
F1 macro is the mean over all classes, a class that is neither labelled nor predicted counting 0; a clip that was not predicted is left out and counted.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diccae.errors import UserError

# which labels a subset keeps; a clip without any of them is not part of the subset
SUBSETS = {
    "all": ("A", "V", "AV"),
    "a": ("A", "AV"),
    "v": ("V", "AV"),
    "av": ("AV",),
    "a only": ("A",),
    "v only": ("V",),
}
RUNS = ("A", "V", "AV")
TOPS = (1, 5)
COLUMNS = ("video_id", "label", "modality")


@dataclass(frozen=True)
class Labels:
    """The labels of the test clips.

    Attributes:
        source: where they came from, for the table.
        table: one row a (clip, label): id, label (class index), modality (A, V or AV).
        repeated: rows that said the same twice, dropped.
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
    """

    modality: str
    ids: NDArray[np.str_]
    top: NDArray[np.int64]


def clip_id(name: str) -> str:
    return name.removesuffix(".mp4")


def read_labels(path: Path | None, classes: Sequence[str]) -> Labels:
    """The labels of a CSV file with columns video_id, label, modality, or of the installed package where no file is named.

    All clips are kept, those with background music too, as in VGGSounder's own benchmark.

    Raises:
        UserError: the package is not installed; the file, a column or a modality is wrong; a label is not one of `classes`; a label has two modalities.
    """
    if path is None:
        return _collect(*_packaged(), classes)
    if not path.is_file():
        raise UserError(
            f"{path} not found; name VGGSounder's CSV file with --labels, or leave the option out"
        )
    with open(path, newline="", encoding="utf-8-sig") as handle:
        reader = csv.DictReader(handle)
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise UserError(
                f"{path}:1: wanted the columns {', '.join(COLUMNS)}, {', '.join(missing)} is not there; "
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
            "VGGSounder's labels are not installed; run pip install 'diccae[vggsounder]', or name their CSV file with --labels"
        ) from None
    version = metadata.version("vggsounder")
    # its default leaves out clips with background music; its benchmark does not
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
        if modality not in SUBSETS["all"]:
            raise UserError(f"{where}: modality {modality!r}, wanted A, V or AV; correct this row")
        if label not in index:
            raise UserError(
                f"{where}: label {label!r} is not one of the {len(classes)} classes of the run; "
                "score a run that was trained on VGGSound's classes"
            )
        key = (clip_id(name), index[label])
        if seen.get(key, modality) != modality:
            raise UserError(
                f"{where}: label {label!r} is {modality} here and {seen[key]} further up; keep one of the rows"
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
    """Class names in the order of their indices.

    Raises:
        UserError: the manifest is missing, an index has two names, or the indices have a gap.
    """
    if not manifest.is_file():
        raise UserError(
            f"{manifest} is missing; it names the classes: name the plan of the run with --plan"
        )
    table = pd.read_parquet(manifest, columns=["label", "label_name"])
    names = table[table["label"] >= 0].drop_duplicates().sort_values(["label", "label_name"])
    if names["label"].tolist() != list(range(len(names))):
        raise UserError(
            f"{manifest}: wanted one name for each class index from 0 on; write the manifest again"
        )
    return [str(name) for name in names["label_name"]]


def read_predictions(path: Path, plan_name: str, num_classes: int) -> Predictions:
    """The test clips of a fine-tuning run, all views; the record beside the file says which modality the run sees.

    Raises:
        UserError: a file or column is missing, the run belongs to another plan, a clip is listed twice, or a class index is out of range.
    """
    record_path = path.with_name("record.json")
    for file in (path, record_path):
        if not file.is_file():
            raise UserError(
                f"{file} is missing; name the predictions.parquet in the folder of a fine-tuning run"
            )
    record = json.loads(record_path.read_text())
    if record["plan"] != plan_name:
        raise UserError(
            f"{path} belongs to plan {record['plan']!r}, not to {plan_name!r}; name its plan with --plan"
        )
    table = pd.read_parquet(path)
    tops = [f"top{rank}" for rank in range(1, max(TOPS) + 1)]
    missing = [column for column in ("id", "split", "view", *tops) if column not in table]
    if missing:
        raise UserError(f"{path}: column {missing[0]!r} is missing; run this fine-tuning again")
    table = table[(table["split"] == "test") & (table["view"] == "multi")]
    ids = table["id"].map(clip_id)
    if ids.duplicated().any():
        raise UserError(
            f"{path}: clip {ids[ids.duplicated()].iloc[0]!r} is listed twice; run this fine-tuning again"
        )
    top = table[tops].to_numpy(np.int64)
    if top.size and (top.min() < 0 or top.max() >= num_classes):
        raise UserError(
            f"{path}: class index {top.max()}, wanted 0 to {num_classes - 1}; name the plan of the run with --plan"
        )
    return Predictions(record["modality"], ids.to_numpy(np.str_), top)


def truth_matrix(
    labels: pd.DataFrame, ids: NDArray[np.str_], num_classes: int
) -> NDArray[np.bool_]:
    """(N, C) whether a clip carries a class; rows in the order of `ids`, labels of other clips are left out."""
    matrix = np.zeros((len(ids), num_classes), bool)
    rows = _positions(ids, labels["id"])
    matrix[rows[rows >= 0], labels["label"].to_numpy()[rows >= 0]] = True
    return matrix


def _positions(ids: NDArray[np.str_], wanted: Iterable[str]) -> NDArray[np.int64]:
    """Row of each wanted clip in `ids`, -1 where it is not there."""
    row = {str(name): position for position, name in enumerate(ids)}
    return np.array([row.get(str(name), -1) for name in wanted], np.int64)


def predicted_matrix(top: NDArray[np.int64], num_classes: int) -> NDArray[np.bool_]:
    """(N, k) class indices -> (N, C) whether a class is among them."""
    matrix = np.zeros((len(top), num_classes), bool)
    np.put_along_axis(matrix, top, True, axis=1)
    return matrix


def hits(truth: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(N,) whether at least one predicted class is right."""
    right: NDArray[np.bool_] = np.any(truth & predicted, axis=1)
    return right


def f1(truth: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> tuple[float, float]:
    """(micro, macro) F1 = 2 TP / (2 TP + FP + FN), 0 where nothing is labelled and nothing predicted; in [0, 1]."""
    right = (truth & predicted).sum(axis=0)
    total = truth.sum(axis=0) + predicted.sum(axis=0)
    by_class = np.divide(2.0 * right, total, out=np.zeros(len(right)), where=total > 0)
    return float(2 * right.sum() / max(total.sum(), 1)), float(by_class.mean())


def score(labels: Labels, runs: Sequence[Predictions], num_classes: int) -> pd.DataFrame:
    """Every measure as one row: measure, run, labels (subset), value in percent, clips, missing, unlabelled, source.

    `hit@k`, `f1_micro@k`, `f1_macro@k` for each run and subset. `mu` is the modality confusion, for the labels of all modalities and the best class alone:
    the share of clips that the A run (`run` A), the V run (V), or both (AV) get right and the A-V run gets wrong; only with all three runs.
    `clips` were scored; `missing` carry labels of the subset but were not predicted; `unlabelled` were predicted but carry no label at all.

    Raises:
        UserError: no predicted clip carries a label, or two runs have the same modality.
    """
    by_modality = {run.modality: run for run in runs}
    if len(by_modality) < len(runs):
        raise UserError(f"two runs see {_twice(runs)}; name one run for each of {', '.join(RUNS)}")
    labelled = set(labels.table["id"])
    rows = []
    for run in (by_modality[name] for name in RUNS if name in by_modality):
        unlabelled = len(set(run.ids) - labelled)
        if unlabelled == len(run.ids):
            raise UserError(
                f"none of the {len(run.ids)} clips of the {run.modality} run is in {labels.source}; wanted VGGSound's ids, e.g. "
                f"{labels.table['id'].iloc[0]}"
            )
        for subset, modalities in SUBSETS.items():
            kept = labels.table[labels.table["modality"].isin(modalities)]
            wanted = set(kept["id"])
            chosen = np.isin(run.ids, list(wanted))
            clips = int(chosen.sum())
            truth = truth_matrix(kept, run.ids[chosen], num_classes)
            values: dict[str, float] = {}
            for k in TOPS:
                predicted = predicted_matrix(run.top[chosen, :k], num_classes)
                values[f"hit@{k}"] = float(hits(truth, predicted).mean()) if clips else np.nan
                values[f"f1_micro@{k}"], values[f"f1_macro@{k}"] = (
                    f1(truth, predicted) if clips else (np.nan, np.nan)
                )
            rows += [
                (name, run.modality, subset, 100 * value, clips, len(wanted) - clips, unlabelled)
                for name, value in values.items()
            ]
    if len(by_modality) == len(RUNS):
        rows += _modality_confusion(labels.table, by_modality, num_classes)
    columns = ["measure", "run", "labels", "value", "clips", "missing", "unlabelled"]
    return pd.DataFrame(rows, columns=columns).assign(source=labels.source)


def _twice(runs: Sequence[Predictions]) -> str:
    names = [run.modality for run in runs]
    return next(name for name in names if names.count(name) > 1)


def _modality_confusion(
    labels: pd.DataFrame, runs: dict[str, Predictions], num_classes: int
) -> list[tuple[str, str, str, float, int, int, int]]:
    labelled = set(labels["id"])
    common = set.intersection(*(set(run.ids) for run in runs.values()))
    ids = np.array(sorted(common & labelled), np.str_)
    truth = truth_matrix(labels, ids, num_classes)
    right = {}
    for name, run in runs.items():
        best = run.top[_positions(run.ids, ids), :1]
        right[name] = hits(truth, predicted_matrix(best, num_classes))
    lost = {
        "A": right["A"] & ~right["AV"],
        "V": right["V"] & ~right["AV"],
        "AV": right["A"] & right["V"] & ~right["AV"],
    }
    return [
        (
            "mu",
            name,
            "all",
            100 * float(mask.mean()) if len(ids) else np.nan,
            len(ids),
            len(labelled) - len(ids),
            len(common - labelled),
        )
        for name, mask in lost.items()
    ]
