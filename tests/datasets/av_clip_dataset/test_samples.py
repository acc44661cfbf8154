"""Samples, augmentation and batches of a dataset, with real worker processes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

from diccae.datasets.av_clip_dataset import AVClipDataset
from diccae.datasets.transforms import (  # noqa: F401
    CentreCrop,
    FrameViews,
    LoadCachedClip,
    PackAVInputs,
    RandomCropFlip,
    RandomFrames,
)
from diccae.errors import UserError

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


def test_another_augmentation_of_the_same_clips(cache: str) -> None:
    first, other, same = (
        AVClipDataset(cache, ["train"], TRAINING, seed=5, per_class=4, augmentation_seed=seed)
        for seed in (None, 6, 5)
    )
    assert torch.equal(first.rows, other.rows)
    videos = [
        torch.stack([dataset[index]["inputs"]["video"] for index in range(len(dataset))])
        for dataset in (first, other, same)
    ]
    assert torch.equal(videos[0], videos[2])
    assert not torch.equal(videos[0], videos[1])


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
