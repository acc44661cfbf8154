"""Clips, labels, augmentation and batches of a run, with real worker processes."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from mmengine.dataset import DefaultSampler, pseudo_collate
from torch.utils.data import DataLoader

from diccae.datasets import samplers
from diccae.datasets.av_clip_dataset import AVClipDataset
from diccae.datasets.samplers import PKSampler
from diccae.datasets.transforms import (  # noqa: F401
    CentreCrop,
    FrameViews,
    LoadCachedClip,
    PackAVInputs,
    RandomCropFlip,
    RandomFrames,
)
from diccae.errors import UserError

SPLITS = {"unlabelled": 40, "train": 30, "update": 18, "test": 12}
TRAINING = [
    {"type": "LoadCachedClip"},
    {"type": "RandomFrames", "num_frames": 2},
    {"type": "RandomCropFlip", "size": 6},
    {"type": "PackAVInputs"},
]
TESTING = [
    {"type": "LoadCachedClip"},
    {"type": "FrameViews", "num_frames": 2, "views": 2},
    {"type": "CentreCrop", "size": 6},
    {"type": "PackAVInputs"},
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """100 clips of noise in three classes; row 41 (train) cannot be used."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    split = np.repeat(list(SPLITS), list(SPLITS.values()))
    count = len(split)
    manifest = pd.DataFrame(
        {
            "id": [f"clip-{row:03d}" for row in range(count)],
            "split": split,
            "label": np.where(split == "unlabelled", -1, np.arange(count) % 3),
            "source": ["north" if row % 2 else "south" for row in range(count)],
        }
    )
    manifest["label_name"] = [
        ("walk", "fall", "clap")[label] if label >= 0 else "" for label in manifest["label"]
    ]
    manifest.to_parquet(root / "manifest.parquet", index=False)
    folder = root / "cache"
    folder.mkdir()
    np.save(folder / "frames.npy", rng.integers(0, 256, (count, 4, 8, 8, 3), np.uint8))
    np.save(folder / "fbank.npy", rng.normal(size=(count, 5, 3)).astype(np.float16))
    manifest.assign(
        status=["silent" if row == 41 else "ok" for row in range(count)], message=""
    ).to_parquet(folder / "index.parquet", index=False)
    digest = hashlib.sha256((root / "manifest.parquet").read_bytes()).hexdigest()
    Path(folder, "meta.json").write_text(json.dumps({"manifest_sha256": digest}))
    return str(folder)


def rows(dataset: AVClipDataset) -> set[int]:
    assert len(dataset.rows) == len(set(dataset.rows.tolist()))
    return set(dataset.rows.tolist())


# which clips


def test_splits_and_unusable_clips(cache: str) -> None:
    assert rows(AVClipDataset(cache, ["train"], [])) == set(range(40, 70)) - {41}
    assert rows(AVClipDataset(cache, ["train", "update"], [])) == set(range(40, 88)) - {41}
    dataset = AVClipDataset(cache, ["update"], [])
    assert len(dataset) == 18
    assert dataset.ids[0] == "clip-070"
    assert dataset.labels.tolist() == [row % 3 for row in range(70, 88)]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_held_out_and_kept_clips_make_up_the_pool(cache: str, seed: int) -> None:
    kept, held = (
        rows(AVClipDataset(cache, ["unlabelled"], [], seed=seed, holdout=10, held_out=out))
        for out in (False, True)
    )
    assert len(held) == 10
    assert not kept & held
    assert kept | held == set(range(40))


def test_the_seed_decides_what_is_held_out_and_drawn(cache: str) -> None:
    held = [
        rows(AVClipDataset(cache, ["unlabelled"], [], seed=seed, holdout=10, held_out=True))
        for seed in (0, 0, 1)
    ]
    assert held[0] == held[1] != held[2]
    drawn = [
        rows(AVClipDataset(cache, ["train"], [], seed=seed, per_class=4)) for seed in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_the_draw_is_balanced_and_may_be_repeated_each_epoch(cache: str) -> None:
    dataset = AVClipDataset(cache, ["train"], [], per_class=4)
    assert Counter(dataset.labels.tolist()) == {0: 4, 1: 4, 2: 4}
    first = rows(dataset)
    dataset.redraw(1)
    second = rows(dataset)
    assert first != second
    assert Counter(dataset.labels.tolist()) == {0: 4, 1: 4, 2: 4}
    assert dataset.labels.tolist() == [row % 3 for row in dataset.rows.tolist()]
    assert second <= set(range(40, 70)) - {41}
    dataset.redraw(2)
    assert rows(dataset) != second
    dataset.redraw(1)
    assert rows(dataset) == second


def test_sources(cache: str) -> None:
    assert rows(AVClipDataset(cache, ["test"], [], sources=["north"])) == {89, 91, 93, 95, 97, 99}
    held = [
        rows(AVClipDataset(cache, ["unlabelled"], [], holdout=10, held_out=True, sources=chosen))
        for chosen in (["north"], ["south"], None)
    ]
    assert held[0] | held[1] == held[2]


def test_a_limit_draws_from_what_is_left_by_seed(cache: str) -> None:
    pool = rows(AVClipDataset(cache, ["unlabelled"], [], seed=1, holdout=10, sources=["north"]))
    drawn = [
        AVClipDataset(cache, ["unlabelled"], [], seed=1, holdout=10, sources=["north"], limit=limit)
        for limit in (6, 6, 3, 100, None)
    ]
    assert [len(each) for each in drawn] == [6, 6, 3, len(pool), len(pool)]
    assert all(rows(each) <= pool for each in drawn)
    assert rows(drawn[0]) == rows(drawn[1])
    # a smaller budget sees a part of what a larger one sees
    assert rows(drawn[2]) < rows(drawn[0])
    assert all(each.rows.tolist() == sorted(each.rows.tolist()) for each in drawn)
    assert drawn[0].labels.shape == (6,)
    other = AVClipDataset(cache, ["unlabelled"], [], seed=2, limit=6)
    assert rows(other) != rows(AVClipDataset(cache, ["unlabelled"], [], seed=3, limit=6))


def test_a_limited_set_leaves_held_out_clips_alone(cache: str) -> None:
    held = rows(AVClipDataset(cache, ["unlabelled"], [], seed=1, holdout=10, held_out=True))
    assert not held & rows(AVClipDataset(cache, ["unlabelled"], [], seed=1, holdout=10, limit=25))


def test_too_few_clips(cache: str) -> None:
    with pytest.raises(
        UserError, match=r"class 2 has 9 usable clips, wanted 10; lower data.train_per_class"
    ):
        AVClipDataset(cache, ["train"], [], per_class=10)
    with pytest.raises(
        UserError, match="wanted 40 held-out clips, got a pool of 40; lower it in the plan"
    ):
        AVClipDataset(cache, ["unlabelled"], [], holdout=40)
    with pytest.raises(UserError, match=r"no usable clip in split \['validation'\]"):
        AVClipDataset(cache, ["validation"], [])
    with pytest.raises(
        UserError, match=r"no clips of source \['east'\]; known sources: \['north', 'south'\]"
    ):
        AVClipDataset(cache, ["test"], [], sources=["east"])


# what comes out


@pytest.mark.parametrize("modalities", [("audio",), ("video",), ("audio", "video")])
def test_training_samples(cache: str, modalities: tuple[str, ...]) -> None:
    dataset = AVClipDataset(cache, ["update"], TRAINING, modalities=modalities)
    sample = dataset[3]
    assert set(sample["inputs"]) == set(modalities)
    if "audio" in modalities:
        assert np.array_equal(sample["inputs"]["audio"].numpy(), dataset.cache.fbank[73])
    if "video" in modalities:
        assert sample["inputs"]["video"].shape == (1, 2, 3, 6, 6)
        assert sample["inputs"]["video"].dtype == torch.uint8
    assert sample["data_samples"].gt_label.item() == 73 % 3
    assert sample["data_samples"].row == 73
    assert sample["data_samples"].split == "update"


def test_test_samples_are_the_central_squares_of_interleaved_frames(cache: str) -> None:
    dataset = AVClipDataset(cache, ["test"], TESTING)
    video = dataset[0]["inputs"]["video"]
    frames = torch.from_numpy(np.array(dataset.cache.frames[88])).permute(0, 3, 1, 2)[
        :, :, 1:7, 1:7
    ]
    assert torch.equal(video, torch.stack([frames[[0, 2]], frames[[1, 3]]]))


def test_training_samples_are_cropped_and_mirrored_as_their_generator_draws(cache: str) -> None:
    dataset = AVClipDataset(cache, ["unlabelled"], TRAINING, seed=3)
    dataset.set_epoch(2)
    mirrored = 0
    for row, sample in enumerate(dataset[index] for index in range(len(dataset))):
        rng = np.random.default_rng((3, 2, row))
        start, top, left = (int(rng.integers(count)) for count in (2, 3, 3))
        frames = np.array(dataset.cache.frames[row][[start, start + 2]])
        frames = frames[:, top : top + 6, left : left + 6]
        if rng.random() < 0.5:
            mirrored += 1
            frames = frames[:, :, ::-1]
        assert np.array_equal(sample["inputs"]["video"][0], frames.transpose(0, 3, 1, 2))
    assert 5 < mirrored < 35


@pytest.mark.parametrize("modalities", [("audio",), ("video",), ("audio", "video")])
@pytest.mark.parametrize("pipeline", [TRAINING, TESTING])
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_hold_the_single_samples(
    cache: str, modalities: tuple[str, ...], pipeline: list[dict[str, object]], workers: int
) -> None:
    dataset = AVClipDataset(cache, ["train"], pipeline, modalities=modalities)
    loader = DataLoader(
        dataset,
        batch_size=8,
        num_workers=workers,
        collate_fn=pseudo_collate,
        multiprocessing_context="fork" if workers else None,
    )
    position = 0
    for batch in loader:
        assert set(batch["inputs"]) == set(modalities)
        for place, packed in enumerate(batch["data_samples"]):
            single = dataset[position]
            for name, tensor in single["inputs"].items():
                found = batch["inputs"][name][place]
                assert found.is_contiguous()
                assert found.dtype == tensor.dtype
                assert torch.equal(found, tensor)
            assert packed.gt_label == single["data_samples"].gt_label
            assert packed.row == single["data_samples"].row
            assert packed.split == "train"
            position += 1
    assert position == len(dataset)


@pytest.mark.parametrize("step", ["RandomCropFlip", "CentreCrop"])
def test_a_crop_larger_than_the_frames_is_an_error(cache: str, step: str) -> None:
    pipeline = [*TESTING[:2], {"type": step, "size": 9}]
    dataset = AVClipDataset(cache, ["train"], pipeline)
    with pytest.raises(UserError, match=r"data.frame_size: wanted .* 9 x 9 pixels, got 8 x 8"):
        dataset[0]


def load(dataset: AVClipDataset, workers: int) -> torch.Tensor:
    loader = DataLoader(
        dataset,
        batch_size=5,
        num_workers=workers,
        collate_fn=list,
        multiprocessing_context="fork" if workers else None,
    )
    return torch.stack([sample["inputs"]["video"] for batch in loader for sample in batch])


def test_augmentation_depends_on_seed_epoch_and_row_and_not_on_the_workers(cache: str) -> None:
    dataset = AVClipDataset(cache, ["unlabelled"], TRAINING, seed=3)
    first = load(dataset, 0)
    assert torch.equal(first, load(dataset, 0))
    assert torch.equal(first, load(dataset, 2))
    dataset.set_epoch(1)
    second = load(dataset, 2)
    assert torch.equal(second, load(dataset, 0))
    # 2 starts x 9 crops x 2 flips: most of the clips change
    assert (first != second).flatten(1).any(1).float().mean() > 0.7
    other = load(AVClipDataset(cache, ["unlabelled"], TRAINING, seed=4), 0)
    assert (first != other).flatten(1).any(1).float().mean() > 0.7
    # another selection of clips leaves a clip's augmentation as it is
    part = AVClipDataset(cache, ["unlabelled"], TRAINING, seed=3, holdout=10)
    assert torch.equal(load(part, 0), first[part.rows])


def test_labels_epoch_and_rows_reach_workers_that_are_already_running(cache: str) -> None:
    dataset = AVClipDataset(cache, ["train"], TRAINING, per_class=4)
    loader = DataLoader(
        dataset,
        batch_size=3,
        num_workers=2,
        persistent_workers=True,
        collate_fn=list,
        multiprocessing_context="fork",
    )

    def seen() -> tuple[list[int], list[int], torch.Tensor]:
        samples = [sample for batch in loader for sample in batch]
        return (
            [sample["data_samples"].gt_label.item() for sample in samples],
            [sample["data_samples"].row for sample in samples],
            torch.stack([sample["inputs"]["video"] for sample in samples]),
        )

    labels, numbers, video = seen()
    workers = [worker.pid for worker in loader._iterator._workers]
    assert labels == dataset.labels.tolist() == [row % 3 for row in numbers]
    dataset.set_labels(torch.arange(100, 112))
    assert seen()[0] == list(range(100, 112))
    dataset.set_epoch(5)
    assert not torch.equal(seen()[2], video)
    dataset.redraw(1)
    labels, renewed, _ = seen()
    assert renewed == dataset.rows.tolist() != numbers
    assert labels == [row % 3 for row in renewed]
    assert [worker.pid for worker in loader._iterator._workers] == workers


# P x K batches


class Labelled:
    """What the sampler needs of a dataset."""

    def __init__(self, labels: list[int]) -> None:
        self.labels = torch.tensor(labels)

    def __len__(self) -> int:
        return len(self.labels)


def sampler(labels: list[int], batch_size: int, samples_per_class: int, **others: int) -> PKSampler:
    return PKSampler(
        DefaultSampler(Labelled(labels), shuffle=True, seed=0),
        batch_size,
        samples_per_class,
        **others,
    )


def test_batches_have_p_classes_and_k_clips_of_each() -> None:
    labels = [row % 7 for row in range(140)]
    batches = list(sampler(labels, 12, 3))
    assert len(batches) == len(sampler(labels, 12, 3)) == 140 // 12
    for batch in batches:
        assert sorted(Counter(labels[index] for index in batch).values()) == [3] * 4
        assert len(set(batch)) == 12


def test_every_clip_comes_once_when_every_batch_has_every_class() -> None:
    labels = [row % 4 for row in range(64)]
    assert sorted(index for batch in sampler(labels, 16, 4) for index in batch) == list(range(64))


def test_order_depends_on_seed_and_epoch_only() -> None:
    labels = [row % 4 for row in range(64)]
    one = sampler(labels, 8, 2, seed=1)
    first = list(one)
    assert list(one) == first == list(sampler(labels, 8, 2, seed=1))
    assert list(sampler(labels, 8, 2, seed=2)) != first
    one.sampler.set_epoch(1)
    assert list(one) != first


def test_labels_are_read_anew_each_epoch_and_unlabelled_clips_are_left_out() -> None:
    chosen = sampler([0] * 8 + [1] * 8 + [-1] * 8, 4, 2)
    assert all(index < 16 for batch in chosen for index in batch)
    chosen.dataset.labels.copy_(torch.tensor([-1] * 8 + [3] * 8 + [5] * 8))
    assert all(
        {chosen.dataset.labels[index].item() for index in batch} == {3, 5} for batch in chosen
    )


def test_a_class_smaller_than_k_repeats_its_clips() -> None:
    labels = [0] * 2 + [1] * 20
    for batch in sampler(labels, 8, 4):
        small = [index for index in batch if labels[index] == 0]
        assert Counter(small) == {0: 2, 1: 2}
        assert len(set(batch)) == 2 + 4


def test_fewer_classes_than_p_still_fill_the_batch() -> None:
    labels = [row % 2 for row in range(40)]
    for batch in sampler(labels, 8, 2):
        assert len(batch) == len(set(batch)) == 8
        assert {labels[index] for index in batch} == {0, 1}


def test_one_class_and_a_batch_that_does_not_divide() -> None:
    with pytest.raises(UserError, match="need two classes or more, got 1"):
        list(sampler([3] * 20, 4, 2))
    with pytest.raises(UserError, match="need two classes or more, got 0"):
        list(sampler([-1] * 20, 4, 2))
    with pytest.raises(UserError, match="batch size 6 is no multiple of data.samples_per_class 4"):
        sampler([0, 1] * 10, 6, 4)


def test_two_processes_take_disjoint_batches_of_one_order(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = [row % 4 for row in range(64)]
    alone = list(sampler(labels, 8, 2))
    shares = []
    for rank in (0, 1):
        monkeypatch.setattr(samplers, "get_dist_info", lambda rank=rank: (rank, 2))
        share = sampler(labels, 8, 2)
        shares.append(list(share))
        assert len(shares[rank]) == len(share) == 4
    assert [batch for pair in zip(*shares, strict=True) for batch in pair] == alone
    seen = [{index for batch in share for index in batch} for share in shares]
    assert not seen[0] & seen[1]
    assert seen[0] | seen[1] == set(range(64))


def test_no_clip_comes_twice_in_an_epoch_of_the_default_plan() -> None:
    seen = Counter(
        index for batch in sampler([row % 12 for row in range(240)], 32, 4) for index in batch
    )
    assert set(seen.values()) == {1}
    assert len(seen) == 240 // 32 * 32
