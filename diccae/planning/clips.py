"""The number of clips that a plan trains and tests on, from its cache, its manifest, its lists or
the known length of these lists."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as parquet

from diccae.errors import UserError
from diccae.plans import Plan
from diccae.sections import Lists, SourceLists
from diccae.settings import plan_settings
from diccae.stored_file import CACHE_AGAIN, MAKE_AGAIN, reading

# Clips in the official training lists (VGGSound: vggsound.csv), before any failed download.
NOMINAL = {"vggsound": 183_971, "audioset": 2_065_161, "epic_kitchens": 67_217, "ucf101": 9_537}
NOMINAL_TEST = {"vggsound": 15_496}


@dataclass(frozen=True)
class Clips:
    """Number of clips by (split, source), and where the numbers come from, in words."""

    counts: Counter[tuple[str, str]]
    origin: str

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


def count_clips(plan: Plan) -> Clips:
    """Number of clips of a plan: from its cache, else its manifest, else its settings or lists.

    Raises:
        UserError: none of these exists; names the missing file.
    """
    index = plan.cache_dir / "index.parquet"
    if index.is_file():
        with reading(index, CACHE_AGAIN):
            table = parquet.read_table(index, columns=["split", "source", "status"]).to_pandas()
        usable = table[table["status"] == "ok"]
        return Clips(
            Counter(zip(usable["split"], usable["source"], strict=True)),
            f"{index}: {len(usable)} usable of {len(table)} clips",
        )
    if plan.manifest.is_file():
        with reading(plan.manifest, MAKE_AGAIN):
            listed = parquet.read_table(plan.manifest, columns=["split", "source", "path"])
        table = listed.to_pandas()
        found = table[table["path"] != ""]
        return Clips(
            Counter(zip(found["split"], found["source"], strict=True)),
            f"{plan.manifest}: {len(found)} found of {len(table)} listed clips, not probed yet",
        )
    base = plan_settings(plan)
    if plan.dataset == "embedded":
        return Clips(
            _embedded(base["benchmark"]["counts"]),
            "the plan's benchmark.counts; the clips are not rendered yet",
        )
    if plan.lists is None:
        raise UserError(
            f"{plan.manifest} is missing and plan {plan.name} names no lists; "
            "provide one of them, see docs/data.md"
        )
    return _from_lists(plan.lists, base["data"]["num_classes"])


def _embedded(counts: dict[str, int]) -> Counter[tuple[str, str]]:
    from diccae.datasets.benchmark.scene import HOME_SOURCE, SOURCE_SHARES, SOURCES

    result: Counter[tuple[str, str]] = Counter()
    for split, count in counts.items():
        if split == "unlabelled":
            for source, share in zip(SOURCES, SOURCE_SHARES, strict=True):
                result[split, source] = round(share * count)
        else:
            result[split, SOURCES[HOME_SOURCE]] = count
    return result


def _from_lists(lists: Lists, classes: int) -> Clips:
    missing = {source.reader: _missing(source) for source in lists.sources}
    if not any(missing.values()):
        from diccae.datasets.readers.assemble import assemble

        table = assemble(lists, search=False)
        return Clips(
            Counter(zip(table["split"], table["source"], strict=True)),
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
