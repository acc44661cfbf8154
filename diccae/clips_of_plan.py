"""The number of clips that a plan trains and tests on, from its cache, its manifest, its lists or
the known length of these lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from diccae.clip_counts import Clips, count_index, count_listed, count_manifest, count_table
from diccae.clips_folder import clips_folder
from diccae.datasets.clips import read_index
from diccae.datasets.folds import LEFT_OUT, fold_splits
from diccae.datasets.readers.manifest import read_manifest
from diccae.digests import file_digest
from diccae.errors import UserError
from diccae.plans import Plan
from diccae.settings import plan_settings
from diccae.source_lists import Lists, SourceLists

# Clips in the official training lists (VGGSound: vggsound.csv), before any failed download.
NOMINAL = {"vggsound": 183_971, "audioset": 2_065_161, "epic_kitchens": 67_217, "ucf101": 9_537}
NOMINAL_TEST = {"vggsound": 15_496}
# Clips of a class of Kinetics-400, which has 306,245 in 400 classes: 50 of each for validation, 100
# for tests, and on average 616 for training.
NOMINAL_CLASS = {"kinetics_sounds": {"train": 616, "validation": 50, "test": 100}}
# Clips of UCF101's classes with sound in the lists of official split 1.
NOMINAL_SUBSET = {"sound": {"train": 4_901, "test": 1_944}}
# those of a list alone, where a source has several
NOMINAL_LIST = {"balanced_train_segments.csv": 22_176, "unbalanced_train_segments.csv": 2_042_985}


def count_each(
    plan: Plan, trained: Collection[tuple[int, int | None]] | None = None
) -> list[Clips]:
    """Number of clips of a plan, in each fold of each seed if it has folds: from its stored
    features or its cache, else its manifest, else its settings or lists.

    Args:
        plan: the plan.
        trained: seeds with their folds, to count in these alone where the clips are stored; by
            default in all.

    Raises:
        UserError: none of these exists, one is damaged (names the file), or the clips cannot be
            split into the folds.
    """
    for folder in dict.fromkeys((clips_folder(plan), plan.cache_dir)):
        index = folder / "index.parquet"
        if _is_current(plan, folder) and index.is_file():
            if plan.split_into is None:
                return [count_index(index)]
            return count_folds(plan, read_index(folder), str(index), trained)
    return count_in_manifest(plan) if plan.manifest.is_file() else count_planned(plan)


def count_in_manifest(plan: Plan) -> list[Clips]:
    """Number of clips in the manifest whose files were found, in each fold of each seed if the plan
    has folds.

    Raises:
        UserError: it cannot be read, or the clips cannot be split into the folds.
    """
    if plan.split_into is None:
        return [count_manifest(plan.manifest)]
    return count_folds(plan, read_manifest(plan.manifest), str(plan.manifest))


def count_folds(
    plan: Plan,
    table: pd.DataFrame,
    name: str,
    trained: Collection[tuple[int, int | None]] | None = None,
) -> list[Clips]:
    """Number of clips of a table whose files were found, in each fold of each seed; all clips in
    one entry for a plan without folds.

    Args:
        plan: the plan.
        table: a manifest, or the index of a cache, of which the usable clips count.
        name: where it comes from, in words.
        trained: seeds with their folds; by default all of the plan.

    Raises:
        UserError: the clips cannot be split into the folds, a label has two names, or a name two
            labels.
    """
    if plan.split_into is None:
        return [count_table(table, name)]
    # whole classes are counted, whichever splits they are in
    clips = []
    for seed, fold in product(plan.seeds, plan.folds) if trained is None else trained:
        settings = plan.fold_settings(fold) or {}
        split = fold_splits(table, settings, seed)
        kept = table.assign(split=split)[split != LEFT_OUT]
        if "status" in kept:
            kept = kept.assign(path=kept["path"].where(kept["status"] == "ok", ""))
        clips.append(count_table(kept, f"{name}, seed {seed}, fold {fold} of {len(plan.folds)}"))
    return clips


def count_planned(plan: Plan) -> list[Clips]:
    """Number of clips that the settings or lists of a plan say, in each fold of each seed if it has
    folds.

    Raises:
        UserError: the plan has neither, or a list is wrong or missing and of unknown length.
    """
    base = plan_settings(plan)
    if plan.dataset == "embedded":
        return [_embedded(base["benchmark"])]
    if plan.lists is None:
        raise UserError(
            f"{plan.manifest} is missing and plan {plan.name} names no lists; "
            "provide one of them, see docs/data.md"
        )
    return _from_lists(plan, plan.lists, base["data"]["num_classes"])


def _is_current(plan: Plan, folder: Path) -> bool:
    """Whether the cache or the stored features are finished, made for the plan's modality (a cache)
    and from the present manifest, if there is one."""
    from diccae.datasets.clips import modality_of, read_meta

    try:
        meta = read_meta(folder)
    except UserError:
        return False
    if folder == plan.cache_dir and modality_of(meta) != plan.modality:
        return False
    return not plan.manifest.is_file() or file_digest(plan.manifest) == meta["manifest_sha256"]


def _embedded(benchmark: dict[str, Any]) -> Clips:
    from diccae.datasets.benchmark.designs import design_of
    from diccae.datasets.benchmark.scene import HOME_SOURCE, SOURCE_SHARES, SOURCES

    counts = benchmark["counts"]
    names = [activity.name for activity in design_of(benchmark["design"]).activities]
    result: Counter[tuple[str, str]] = Counter()
    # classes alternate
    by_class = Counter(
        {
            (split, label): len(range(label, count, len(names)))
            for split, count in counts.items()
            for label in range(len(names))
        }
    )
    for split, count in counts.items():
        if split == "unlabelled":
            for source, share in zip(SOURCES, SOURCE_SHARES, strict=True):
                result[split, source] = round(share * count)
        else:
            result[split, SOURCES[HOME_SOURCE]] = count
    origin = "the plan's benchmark.counts; the clips are not rendered yet"
    return Clips(result, origin, by_class, dict(enumerate(names)))


def _from_lists(plan: Plan, lists: Lists, classes: int) -> list[Clips]:
    missing = {source.reader: _missing(source) for source in lists.sources}
    if not any(missing.values()):
        from diccae.datasets.readers.assemble import assemble

        table = assemble(lists, False, plan.split_into, classes)
        origin = f"the plan's lists: {len(table)} clips, not searched for on the disk yet"
        if plan.split_into is None:
            return [count_listed(table, origin)]
        return count_folds(plan, table.assign(path="not searched for"), origin)
    counts: Counter[tuple[str, str]] = Counter()
    origins = []
    for source in lists.sources:
        absent = missing[source.reader]
        if absent:
            listed = _nominal(source, absent[0], classes)
            origin = f"the official list; {', '.join(map(str, absent))} missing here"
        else:
            listed, origin = _read(source, source.reader == lists.labelled), "its lists"
        origins.append(f"{source.reader} {listed.total()} ({origin})")
        if source.reader == lists.labelled:
            drawn = Counter(
                update=lists.update_per_class * classes,
                validation=lists.validation_per_class * classes,
            )
            listed["train"] -= drawn.total()
            for split, clips in (listed + drawn).items():
                counts[split, source.reader] += clips
        else:
            counts["unlabelled", source.reader] = listed["train"]
    return [Clips(counts, "listed clips, before any failed download: " + "; ".join(origins))]


def _missing(source: SourceLists) -> list[Path]:
    return [Path(path) for path in source.lists if not Path(path).exists()]


def _nominal(source: SourceLists, missing: Path, classes: int) -> Counter[str]:
    """Number of clips of each split of a source whose lists are missing."""
    if source.subset in NOMINAL_SUBSET:
        return Counter(NOMINAL_SUBSET[source.subset])
    if source.reader in NOMINAL_CLASS:
        of_class = NOMINAL_CLASS[source.reader]
        return Counter({split: classes * clips for split, clips in of_class.items()})
    if source.reader not in NOMINAL:
        raise UserError(
            f"{missing} is missing, and the number of clips of {source.reader} is not known "
            "without it; put the list there, see docs/data.md"
        )
    sizes = [NOMINAL_LIST.get(Path(path).name) for path in source.lists]
    known = sum(size for size in sizes if size is not None)
    train = NOMINAL[source.reader] if None in sizes else known
    return Counter(train=train, test=NOMINAL_TEST.get(source.reader, 0))


def _read(source: SourceLists, labelled: bool) -> Counter[str]:
    """Number of clips of each split of a source whose lists exist; all that can be trained on are
    `train` where it is not the labelled source."""
    from diccae.datasets.readers.assemble import read_source
    from diccae.datasets.readers.manifest import TRAIN_SPLITS

    splits = read_source(source, search=False)["split"].value_counts()
    listed = Counter({str(split): int(clips) for split, clips in splits.items()})
    return listed if labelled else Counter(train=sum(listed[split] for split in TRAIN_SPLITS))
