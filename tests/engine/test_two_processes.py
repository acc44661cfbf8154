"""Two processes against one: losses and their gradients, batches, features of a whole set, and what
the hooks make of them."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch import distributed as dist
from torch.multiprocessing.spawn import spawn

from diccae.models.losses import ConfusionLoss, InfoNCELoss
from diccae.plans import load_plan
from tests.conftest import tiny_plan

CLASSES, CLIPS, WIDTH, RANKS = 4, 12, 6, 2
CASES = [
    *itertools.product(("sigmoid_cosine", "half_cosine", "rbf", "mlp"), ("fused",), ("balanced",)),
    *itertools.product(
        ("sigmoid_cosine",), ("intra_modal", "cross_modal"), ("balanced", "plain_mean", "sum")
    ),
]


def start(rank: int, folder: str) -> None:
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(RANKS))
    os.environ.update(GLOO_SOCKET_IFNAME="lo")
    torch.set_num_threads(1)
    # through a file: another program may take a port before it is used
    meeting = f"file://{folder}/meeting"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=RANKS)


def worker(rank: int, folder: str) -> None:
    """Everything that the tests compare, one part after another, saved as `<rank>.pt`."""
    start(rank, folder)
    parts = {
        "losses": losses_of_rank(rank),
        "samplers": samplers_of_rank(),
        "training": training_of_rank(Path(folder)),
    }
    torch.save(parts, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


# losses


def joint_batch() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Two features a clip, labels (some clips have none) and weights of the pairs of classes, in
    float64."""
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, CLIPS, WIDTH, generator=generator, dtype=torch.float64)
    labels = torch.randint(-1, CLASSES, (CLIPS,), generator=generator)
    return (
        first,
        second,
        labels,
        torch.rand(CLASSES, CLASSES, generator=generator, dtype=torch.float64),
    )


def values_and_gradients(rows: slice) -> dict[str, dict[str, Tensor]]:
    """Case -> loss, gradients of both features and of the parameters, for these rows of the joint
    batch."""
    results = {}
    for similarity, pairs, reduction in CASES:
        first, second, labels, weights = joint_batch()
        first, second = first[rows].requires_grad_(), second[rows].requires_grad_()
        torch.manual_seed(0)
        confusion = ConfusionLoss(CLASSES, similarity, pairs, reduction, feature_dim=WIDTH).double()
        contrast = InfoNCELoss(0.2, "one_way" if reduction == "sum" else "cross_modal")
        loss = confusion(first, labels[rows], weights, second) + contrast(first, second)
        loss.backward()
        results[f"{similarity}-{pairs}-{reduction}"] = {
            "loss": loss.detach(),
            "first": first.grad,
            "second": second.grad,
            **{name: parameter.grad for name, parameter in confusion.named_parameters()},
        }
    return results


def losses_of_rank(rank: int) -> dict[str, dict[str, Tensor]]:
    results = values_and_gradients(slice(rank * CLIPS // RANKS, (rank + 1) * CLIPS // RANKS))
    for case in results.values():
        for name, value in case.items():
            # as DistributedDataParallel: gradients of parameters are summed over the processes, and
            # all are divided by their number
            if name not in ("loss", "first", "second"):
                dist.all_reduce(value)
            if name != "loss":
                value /= RANKS
    return results


@pytest.fixture(scope="module")
def losses_of_ranks(ranks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [rank["losses"] for rank in ranks]


@pytest.fixture(scope="module")
def losses_of_one() -> dict[str, dict[str, Tensor]]:
    return values_and_gradients(slice(None))


@pytest.mark.parametrize("case", ["-".join(case) for case in CASES])
def test_losses_and_gradients_are_those_of_the_joint_batch(
    losses_of_ranks: list[dict[str, Any]], losses_of_one: dict[str, dict[str, Tensor]], case: str
) -> None:
    ranks, wanted = [rank[case] for rank in losses_of_ranks], losses_of_one[case]
    for name, value in wanted.items():
        if name in ("first", "second"):
            torch.testing.assert_close(
                torch.cat([rank[name] for rank in ranks]), value, rtol=1e-6, atol=1e-9
            )
        else:
            for rank in ranks:
                torch.testing.assert_close(rank[name], value, rtol=1e-6, atol=1e-9)


# batches, features and hooks of a real pre-training


def pretraining_config(folder: Path, data: Path) -> Any:
    """Two epochs of cluster-guided pre-training with a clustering in between; odd numbers of clips,
    so that ranks get unequal shares."""
    from diccae.run_graph import Run

    overrides = {
        "data.update_unlabelled": 47,
        "schedule.pretrain.epochs": 2,
        "schedule.pretrain.batch_size": 16,
        "schedule.eval_batch_size": 10,
        "schedule.num_workers": 0,
        "method.refine_every": 1,
        "method.cluster_cross_entropy": True,
    }
    plan = (
        tiny_plan(folder, data, **overrides)
        if not (folder / "tiny.yaml").is_file()
        else load_plan("tiny.yaml")
    )
    return Run(plan, "pretrain", "full", 0).config()


def one_pass(model: Any, dataset: Any) -> Tensor:
    """(N, D) features of a data set by a single process, clip after clip in its order."""
    from mmengine.dataset import pseudo_collate

    model.eval()
    with torch.no_grad():
        batch = pseudo_collate([dataset[index] for index in range(len(dataset))])
        return model.embed(model.data_preprocessor(batch, False)["inputs"]).float()


def training_of_rank(folder: Path) -> dict[str, Any]:
    os.chdir(folder)
    from mmengine.runner import Runner

    from diccae import registry  # noqa: F401
    from diccae.engine.devices import use_processes
    from diccae.engine.feature_extractor import unwrap
    from diccae.engine.hooks.confusion_degree import ConfusionDegreeHook
    from diccae.engine.hooks.pseudo_labels import PseudoLabelHook
    from diccae.engine.hooks.update_set import UpdateSetHook

    config = pretraining_config(folder, Path())
    config.work_dir, config.log_level = str(folder / "work"), "WARNING"
    use_processes(config, RANKS)
    runner = Runner.from_cfg(config)
    runner.train()
    hooks = {type(hook): hook for hook in runner.hooks}
    model, update = unwrap(runner), hooks[UpdateSetHook].update_set
    features = update.features(model, model.embed)
    kept = update.features(model, model.embed, everywhere=False)
    return {
        "features": features,
        "kept": kept,
        "one_pass": one_pass(model, update.loader.dataset),
        "train_labels": runner.train_dataloader.dataset.labels.clone(),
        "update_labels": update.labels.clone(),
        "state": {name: value.clone() for name, value in model.state_dict().items()},
        "matrix": hooks[ConfusionDegreeHook].state,
        "assignments": hooks[PseudoLabelHook].assignments,
    }


def samplers_of_rank() -> dict[str, Any]:
    from mmengine.dataset import DefaultSampler

    shares = {clips: list(DefaultSampler(range(clips), shuffle=False)) for clips in (46, 47)}
    return {"share": shares, "batches": list(balanced_batches())}


def balanced_batches() -> Any:
    """The P x K sampler of this process over 200 clips of 7 unequal classes."""
    from mmengine.dataset import DefaultSampler

    from diccae.datasets.samplers import PKSampler

    labels = torch.from_numpy(np.random.default_rng(0).choice(7, 200, p=np.arange(1, 8) / 28))

    class Labelled(SimpleNamespace):
        def __len__(self) -> int:
            return len(self.labels)

    return PKSampler(
        DefaultSampler(Labelled(labels=labels), seed=0), batch_size=8, samples_per_class=2, seed=3
    )


@pytest.fixture(scope="module")
def samplers_of_ranks(ranks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [rank["samplers"] for rank in ranks]


@pytest.fixture(scope="module")
def training_of_ranks(ranks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [rank["training"] for rank in ranks]


@pytest.fixture(scope="module")
def ranks(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What `worker` saved in each of two processes that ran side by side."""
    from mmengine.registry import DATASETS, init_default_scope

    from diccae import registry  # noqa: F401

    folder = tmp_path_factory.mktemp("training")
    init_default_scope("mmaction")
    config = pretraining_config(folder, tiny_data)
    ids = [
        DATASETS.build(config[name].dataset).ids
        for name in ("train_dataloader", "update_dataloader")
    ]
    first = folder / next(
        hook.initial for hook in config.custom_hooks if hook.type == "PseudoLabelHook"
    )
    first.parent.mkdir(parents=True)
    both = np.concatenate(ids).astype(str)
    np.savez(first, ids=both, epochs=[0], assign_0=np.arange(len(both), dtype=np.int32) % 6)
    spawn(worker, args=(str(folder),), nprocs=RANKS)
    return [torch.load(folder / f"{rank}.pt") for rank in range(RANKS)]


def test_ranks_read_every_clip_in_turn(samplers_of_ranks: list[dict[str, Any]]) -> None:
    for clips in (46, 47):
        dealt = list(
            itertools.chain.from_iterable(
                zip(*[rank["share"][clips] for rank in samplers_of_ranks], strict=True)
            )
        )
        assert dealt[:clips] == list(range(clips))
        # shares are of one size, or a gather would wait for ever; the last clips are made up from
        # the first
        assert len(dealt) - clips == clips % RANKS


def test_ranks_take_turns_in_the_p_x_k_batches_of_one_process(
    samplers_of_ranks: list[dict[str, Any]],
) -> None:
    batches = list(
        itertools.chain.from_iterable(
            zip(*[rank["batches"] for rank in samplers_of_ranks], strict=True)
        )
    )
    alone = list(balanced_batches())
    assert len(batches) == len(alone) // RANKS * RANKS
    assert batches == alone[: len(batches)]


def test_features_of_a_set_cover_every_clip_once_in_order(
    training_of_ranks: list[dict[str, Any]],
) -> None:
    for rank in training_of_ranks:
        assert rank["features"].shape[0] == 47
        torch.testing.assert_close(rank["features"], rank["one_pass"], rtol=1e-4, atol=1e-6)
        assert torch.equal(rank["features"], training_of_ranks[0]["features"])
    main, other = (rank["kept"] for rank in training_of_ranks)
    assert torch.equal(main, training_of_ranks[0]["features"])
    assert other.shape == (0, main.shape[1])


@pytest.mark.parametrize(
    "kept", ["train_labels", "update_labels", "matrix", "assignments", "state"]
)
def test_both_ranks_hold_the_same_labels_weights_and_model(
    training_of_ranks: list[dict[str, Any]], kept: str
) -> None:
    first, second = (rank[kept] for rank in training_of_ranks)
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    if kept == "train_labels":
        assert torch.equal(first, training_of_ranks[0]["assignments"]["train_1"].long())
    if kept == "matrix":
        assert torch.equal(first["weights"], training_of_ranks[0]["state"]["confusion_weights"])
        assert int(first["counts"].sum()) == 47
