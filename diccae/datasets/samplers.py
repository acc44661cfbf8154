"""P x K batches: P classes, K clips of each, so that every batch has pairs of the same class."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from mmaction.registry import DATA_SAMPLERS
from mmengine.dataset import DefaultSampler
from mmengine.dist import get_dist_info

from diccae.structures import UserError


@DATA_SAMPLERS.register_module()
class PKSampler:
    """Batch sampler over `dataset.labels`, read anew at the start of each epoch (clusters change).

    Classes are drawn for each batch in proportion to their clips; the clips of a class come in a shuffled cycle, so that over an epoch some come twice and
    some not at all, and a class with fewer than K clips repeats them within a batch. The epoch's length is that of a uniform sampler. With several
    processes, each takes its own P x K batch of the same seeded order.

    Args:
        sampler: mmengine's DefaultSampler over the dataset, which keeps the epoch.
        batch_size: P x K clips a process.
        samples_per_class: K.
        seed: the run's seed.

    Raises:
        UserError: batch_size is no multiple of K, or there are fewer than two classes.
    """

    def __init__(self, sampler: DefaultSampler, batch_size: int, samples_per_class: int, seed: int = 0) -> None:
        if batch_size % samples_per_class:
            raise UserError(
                f"batch size {batch_size} is no multiple of data.samples_per_class {samples_per_class}; change one of them in the plan"
            )
        self.sampler, self.dataset = sampler, sampler.dataset
        self.batch_size, self.samples_per_class, self.seed = batch_size, samples_per_class, seed
        self.rank, self.world_size = get_dist_info()

    def __len__(self) -> int:
        return max(1, len(self.dataset) // (self.batch_size * self.world_size))

    def __iter__(self) -> Iterator[list[int]]:
        generator = np.random.default_rng([self.seed, 4, self.sampler.epoch])
        labels = self.dataset.labels.numpy()
        classes, counts = np.unique(labels[labels >= 0], return_counts=True)
        if len(classes) < 2:
            raise UserError(
                f"P x K batches need two classes or more, got {len(classes)}; raise method.kmeans_k or check the labels"
            )
        wanted = self.batch_size // self.samples_per_class
        queues = {label: generator.permutation(np.flatnonzero(labels == label)) for label in classes}
        used = dict.fromkeys(classes.tolist(), 0)
        share = counts / counts.sum()
        for batch in range(len(self) * self.world_size):
            chosen = generator.choice(classes, size=min(wanted, len(classes)), replace=False, p=share)
            chosen = (
                np.concatenate([chosen, generator.choice(classes, size=wanted - len(chosen))])
                if len(chosen) < wanted
                else chosen
            )
            indices: list[int] = []
            for label in chosen:
                queue, start = queues[label], used[int(label)]
                indices += [int(queue[(start + offset) % len(queue)]) for offset in range(self.samples_per_class)]
                used[int(label)] = (start + self.samples_per_class) % len(queue)
            if batch % self.world_size == self.rank:
                yield indices
