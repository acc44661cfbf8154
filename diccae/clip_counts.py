"""The number of clips that a plan trains and tests on, from its cache, its manifest, its lists or
the known length of these lists."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as parquet

from diccae.digests import file_digest
from diccae.errors import UserError
from diccae.plans import Plan
from diccae.sections import Lists, SourceLists
from diccae.settings import plan_settings

if TYPE_CHECKING:
    import pandas as pd

# Clips in the official training lists (VGGSound: vggsound.csv), before any failed download.
NOMINAL = {"vggsound": 183_971, "audioset": 2_065_161, "epic_kitchens": 67_217, "ucf101": 9_537}
NOMINAL_TEST = {"vggsound": 15_496}
COLUMNS = ["split", "source", "label", "label_name"]


@dataclass(frozen=True)
class Clips:
    """Number of clips that can be used, and where the numbers come from, in words.

    Attributes:
        counts: by (split, source).
        origin: the file and what it says.
        by_class: by (split, label), -1 for no label; None where labels are not known.
        names: name of every class that is listed, by its label.
    """

    counts: Counter[tuple[str, str]]
    origin: str
    by_class: Counter[tuple[str, int]] | None = None
    names: dict[int, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Number of clips in all splits and sources."""
        return self.counts.total()

    def of(self, splits: list[str], sources: list[str] | None = None) -> int:
        """Number of clips in some splits, of some sources (None for all)."""
        return sum(
            count
            for (split, source), count in self.counts.items()
            if split in splits and (sources is None or source in sources)
        )

    def of_classes(self, split: str) -> dict[int, int]:
        """Number of clips of each class that is listed, in one split, by label; empty where labels
        are not known."""
        if self.by_class is None:
            return {}
        return {label: self.by_class[split, label] for label in sorted(self.names)}


def count_clips(plan: Plan) -> Clips:
    """Number of clips of a plan: from its cache, else its manifest, else its settings or lists.

    Raises:
        UserError: none of these exists, or one is damaged; names the file.
    """
    index = plan.cache_dir / "index.parquet"
    if _is_current(plan) and index.is_file():
        table = _read_columns(index, "status")
        usable = pc.equal(table["status"], "ok")
        found = f"{pc.sum(usable).as_py() or 0} usable of {len(table)} clips"
        return _count(table, usable, f"{index}: {found}")
    if plan.manifest.is_file():
        return count_manifest(plan.manifest)
    return count_planned(plan)


def count_manifest(path: Path) -> Clips:
    """Number of clips of a manifest whose files were found.

    Raises:
        UserError: it cannot be read.
    """
    return _count_found(_read_columns(path, "path"), str(path))


def count_planned(plan: Plan) -> Clips:
    """Number of clips that the settings or lists of a plan say.

    Raises:
        UserError: the plan has neither, or a list is wrong or missing and of unknown length.
    """
    base = plan_settings(plan)
    if plan.dataset == "embedded":
        return _embedded(base["benchmark"]["counts"])
    if plan.lists is None:
        raise UserError(
            f"{plan.manifest} is missing and plan {plan.name} names no lists; "
            "provide one of them, see docs/data.md"
        )
    return _from_lists(plan.lists, base["data"]["num_classes"])


def count_table(table: pd.DataFrame, name: str) -> Clips:
    """Number of clips of a manifest that is not written yet, under the name of its file."""
    return _count_found(pa.Table.from_pandas(table[[*COLUMNS, "path"]]), name)


def _is_current(plan: Plan) -> bool:
    """Whether the cache is finished and was made from the present manifest, if there is one."""
    meta = plan.cache_dir / "meta.json"
    if not meta.is_file():
        return False
    try:
        made_from = json.loads(meta.read_text()).get("manifest_sha256")
    except ValueError:
        return False
    return not plan.manifest.is_file() or file_digest(plan.manifest) == made_from


def _read_columns(path: Path, further: str) -> pa.Table:
    texts = ["split", "source", "label_name"]
    try:
        file = parquet.ParquetFile(path, read_dictionary=texts)
        missing = [name for name in (*COLUMNS, further) if name not in file.schema_arrow.names]
        if missing:
            raise UserError(f"{path}: it has no column {missing[0]}; make it again")
        return file.read(columns=[*COLUMNS, further]).unify_dictionaries()
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: it cannot be read ({reason}); make it again") from None


def _count_found(table: pa.Table, name: str) -> Clips:
    found = pc.not_equal(table["path"], "")
    listed = f"{pc.sum(found).as_py() or 0} found of {len(table)} listed clips"
    return _count(table, found, f"{name}: {listed}, not probed yet")


def _count(table: pa.Table, usable: pa.ChunkedArray, origin: str) -> Clips:
    """Count the rows that are usable; classes are those of all rows.

    Raises:
        UserError: a label has two names, or a name two labels.
    """
    keyed = table.select(COLUMNS).append_column("usable", usable)
    groups = keyed.group_by(keyed.column_names).aggregate([([], "count_all")])
    counts, by_class = Counter[tuple[str, str]](), Counter[tuple[str, int]]()
    names: dict[int, str] = {}
    for group in groups.sort_by("label").to_pylist():
        label, name = group["label"], group["label_name"]
        if label >= 0 and names.setdefault(label, name) != name:
            raise UserError(
                f"{origin}: label {label} is {names[label]!r} and {name!r}; give each class a "
                "label of its own"
            )
        if group["usable"]:
            counts[group["split"], group["source"]] += group["count_all"]
            by_class[group["split"], label] += group["count_all"]
    labels = {name: label for label, name in names.items()}
    for label, name in names.items():
        if labels[name] != label:
            raise UserError(
                f"{origin}: {name!r} is label {label} and label {labels[name]}; give each class "
                "one label"
            )
    return Clips(counts, origin, by_class, names)


def _embedded(counts: dict[str, int]) -> Clips:
    from diccae.datasets.benchmark.activities import NAMES
    from diccae.datasets.benchmark.scene import HOME_SOURCE, SOURCE_SHARES, SOURCES

    result: Counter[tuple[str, str]] = Counter()
    # classes alternate
    by_class = Counter(
        {
            (split, label): len(range(label, count, len(NAMES)))
            for split, count in counts.items()
            for label in range(len(NAMES))
        }
    )
    for split, count in counts.items():
        if split == "unlabelled":
            for source, share in zip(SOURCES, SOURCE_SHARES, strict=True):
                result[split, source] = round(share * count)
        else:
            result[split, SOURCES[HOME_SOURCE]] = count
    origin = "the plan's benchmark.counts; the clips are not rendered yet"
    return Clips(result, origin, by_class, dict(enumerate(NAMES)))


def _from_lists(lists: Lists, classes: int) -> Clips:
    missing = {source.reader: _missing(source) for source in lists.sources}
    if not any(missing.values()):
        from diccae.datasets.readers.assemble import assemble

        table = pa.Table.from_pandas(assemble(lists, search=False)[COLUMNS])
        return _count(
            table,
            pa.chunked_array([pa.repeat(pa.scalar(True), len(table))]),
            f"the plan's lists: {len(table)} clips, not searched for on the disk yet",
        )
    counts: Counter[tuple[str, str]] = Counter()
    origins = []
    for source in lists.sources:
        absent = missing[source.reader]
        if absent:
            train, test = _nominal(source, absent[0])
            origin = f"the official list; {', '.join(map(str, absent))} missing here"
        else:
            train, test = _read(source)
            origin = "its lists"
        origins.append(f"{source.reader} {train + test} ({origin})")
        if source.reader == lists.labelled:
            update, validation = (
                lists.update_per_class * classes,
                lists.validation_per_class * classes,
            )
            counts += Counter(
                {
                    ("train", source.reader): train - update - validation,
                    ("test", source.reader): test,
                }
                | {("update", source.reader): update, ("validation", source.reader): validation}
            )
        else:
            counts["unlabelled", source.reader] = train
    return Clips(counts, "listed clips, before any failed download: " + "; ".join(origins))


def _missing(source: SourceLists) -> list[Path]:
    return [Path(path) for path in source.lists if not Path(path).is_file()]


def _nominal(source: SourceLists, missing: Path) -> tuple[int, int]:
    if source.reader not in NOMINAL:
        raise UserError(
            f"{missing} is missing, and the number of clips of {source.reader} is not known "
            "without it; put the list there, see docs/data.md"
        )
    return NOMINAL[source.reader], NOMINAL_TEST.get(source.reader, 0)


def _read(source: SourceLists) -> tuple[int, int]:
    """Number of (training, test) clips of a source whose lists exist."""
    from diccae.datasets.readers.assemble import assemble
    from diccae.datasets.readers.manifest import TRAIN_SPLITS

    alone = Lists(
        sources=[source], labelled=source.reader, update_per_class=0, validation_per_class=0
    )
    splits = assemble(alone, search=False)["split"].value_counts()
    return int(splits[splits.index.isin(TRAIN_SPLITS)].sum()), int(splits.get("test", 0))
