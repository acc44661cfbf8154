"""P x K batches: P classes with K clips each, so that every batch has pairs of the same class."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from mmaction.registry import DATA_SAMPLERS
from mmengine.dataset import DefaultSampler
from mmengine.dist import get_dist_info

from diccae.errors import UserError
from diccae.schedule import classes_per_batch


@DATA_SAMPLERS.register_module()
class PKSampler:
    """Batch sampler over `dataset.labels`, which are read anew in each epoch (clusters change).

    The clips of each class are shuffled and cut into groups of K; every batch takes one group from
    each of the P classes with the most groups left, ties broken at random. A clip therefore occurs
    twice in an epoch only if its class has fewer than K clips, or if fewer than P classes have
    groups left (very unequal clusters), whereupon classes are shuffled anew. The epoch is as long
    as that of a uniform sampler. With several processes, each takes its own P x K batches of the
    same seeded order.

    Args:
        sampler: mmengine's DefaultSampler over the dataset, which holds the epoch.
        batch_size: P x K, the clips of a process.
        samples_per_class: K.
        seed: seed of the run.

    Raises:
        UserError: batch_size is no multiple of K or no larger, or there are fewer than two
            classes.
    """

    def __init__(
        self, sampler: DefaultSampler, batch_size: int, samples_per_class: int, seed: int = 0
    ) -> None:
        self.classes = classes_per_batch(batch_size, samples_per_class)
        self.sampler, self.dataset = sampler, sampler.dataset
        self.batch_size, self.samples_per_class, self.seed = batch_size, samples_per_class, seed
        self.rank, self.world_size = get_dist_info()

    def __len__(self) -> int:
        return max(1, len(self.dataset) // (self.batch_size * self.world_size))

    def __iter__(self) -> Iterator[list[int]]:
        generator = np.random.default_rng([self.seed, 4, self.sampler.epoch])
        labels = self.dataset.labels.numpy()
        classes = np.unique(labels[labels >= 0])
        if len(classes) < 2:
            raise UserError(
                f"P x K batches need two classes or more, got {len(classes)}; "
                "raise method.kmeans_k or check the labels"
            )
        wanted, size = self.classes, self.samples_per_class
        members = {int(label): np.flatnonzero(labels == label) for label in classes}
        # groups are taken from the end; `left` counts those that remain
        groups: dict[int, np.ndarray] = {}
        left: dict[int, int] = {}

        def refill(label: int) -> None:
            order = generator.permutation(members[label])
            # clips after the last complete group are left out of this epoch;
            # a class smaller than K repeats its clips
            whole = np.resize(order, max(size, len(order) // size * size))
            groups[label] = whole.reshape(-1, size)
            left[label] = len(groups[label])

        for label in members:
            refill(label)
        for batch in range(len(self) * self.world_size):
            indices: list[np.ndarray] = []
            ties = dict(zip(groups, generator.random(len(groups)), strict=True))
            ranked = sorted(groups, key=lambda label: (-left[label], ties[label]))
            # with fewer classes than P, the classes take turns
            for label in (ranked * (wanted // len(ranked) + 1))[:wanted]:
                if not left[label]:
                    refill(label)
                left[label] -= 1
                indices.append(groups[label][left[label]])
            if batch % self.world_size == self.rank:
                yield np.concatenate(indices).tolist()
