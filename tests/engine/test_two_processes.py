"""Two processes against one: batches, features, labels and weights of a real pre-training."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor
from torch import distributed as dist

from diccae.functional.controls import controlled_weights
from diccae.functional.weights import normalize_degree
from diccae.plans import load_plan
from tests.conftest import tiny_plan
from tests.engine.processes import RANKS, on_two_processes, start


def pretraining_config(folder: Path, data: Path) -> Any:
    """Two epochs of cluster-guided pre-training with a clustering in between; the number of clips
    is odd, so that it does not divide by the number of ranks."""
    from diccae.run_graph import Run

    overrides = {
        "data.update_unlabelled": 47,
        "schedule.pretrain.epochs": 2,
        "schedule.pretrain.batch_size": 16,
        "schedule.eval_batch_size": 10,
        "schedule.num_workers": 0,
        "method.refine_every": 1,
        "method.cluster_cross_entropy": True,
        "method.weighting": "shuffled",
    }
    plan = (
        tiny_plan(folder, data, **overrides)
        if not (folder / "tiny.yaml").is_file()
        else load_plan("tiny.yaml")
    )
    return Run(plan, "pretrain", "full", 0).config()


def one_pass(model: Any, dataset: Any) -> Tensor:
    """(N, D) features of a dataset in its order, by a single process."""
    from mmengine.dataset import pseudo_collate

    model.eval()
    with torch.no_grad():
        batch = pseudo_collate([dataset[index] for index in range(len(dataset))])
        return model.embed(model.data_preprocessor(batch, False)["inputs"]).float()


def training_worker(rank: int, folder: str) -> None:
    os.chdir(folder)
    start(rank, folder)
    from mmengine.runner import Runner

    from diccae import registry  # noqa: F401
    from diccae.engine.devices import use_processes
    from diccae.engine.feature_extractor import unwrap
    from diccae.engine.hooks.confusion_degree import ConfusionDegreeHook
    from diccae.engine.hooks.history import HistoryHook
    from diccae.engine.hooks.pseudo_labels import PseudoLabelHook
    from diccae.engine.hooks.update_set import UpdateSetHook

    config = pretraining_config(Path(folder), Path())
    config.work_dir, config.log_level = str(Path(folder) / "work"), "WARNING"
    use_processes(config, RANKS)
    runner = Runner.from_cfg(config)
    runner.train()
    hooks = {type(hook): hook for hook in runner.hooks}
    model, update = unwrap(runner), hooks[UpdateSetHook].update_set
    features = update.features(model, model.embed)
    kept = update.features(model, model.embed, everywhere=False)
    results = {
        "features": features,
        "kept": kept,
        "one_pass": one_pass(model, update.loader.dataset),
        "train_labels": runner.train_dataloader.dataset.labels.clone(),
        "update_labels": update.labels.clone(),
        "state": {name: value.clone() for name, value in model.state_dict().items()},
        "matrix": hooks[ConfusionDegreeHook].state,
        "assignments": hooks[PseudoLabelHook].assignments,
        "gradients": [
            {key: value for key, value in row.items() if key.startswith("grad_share_")}
            for row in hooks[HistoryHook].rows
        ],
        "samplers": samplers_of_rank(),
    }
    for place, table in withheld_tables(Path(folder), RANKS, rank).items():
        table.to_csv(Path(folder) / f"{place}{rank}.csv", index=False)
    torch.save(results, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def withheld_tables(folder: Path, processes: int, rank: int = 0) -> dict[str, pd.DataFrame]:
    """The scores with a modality withheld of one untrained model, from kept features and from
    inputs."""
    from mmengine.runner import Runner

    from diccae.engine.devices import use_processes
    from diccae.engine.feature_extractor import unwrap
    from diccae.engine.withheld import WithheldHook
    from diccae.models.systems.diccae import DICCAE
    from diccae.run_graph import Run

    config = Run(load_plan("tiny.yaml"), "finetune", "from_scratch", 0, "AV").config()
    config.work_dir, config.log_level = str(folder / f"test{processes}{rank}"), "WARNING"
    if processes > 1:
        use_processes(config, processes)
    runner = Runner.from_cfg(config)
    centre_logits(unwrap(runner), runner.test_dataloader.dataset)
    tables = {}
    for place, separate in (("features", True), ("inputs", False)):
        DICCAE.separate_encoders = separate
        hook = WithheldHook(seed=0)
        runner.register_hook(hook)
        runner.test()
        tables[place] = hook.table
    DICCAE.separate_encoders = True
    return tables


def centre_logits(model: Any, dataset: Any) -> None:
    """Without training all clips would be of one class."""
    from mmengine.dataset import pseudo_collate

    batch = pseudo_collate([dataset[index] for index in range(len(dataset))])
    inputs = model.data_preprocessor(batch, False)["inputs"]
    with torch.no_grad():
        fused = model.eval().fuse(model.encode(inputs))
        model.classifier.bias.copy_(-model.classifier.weight @ fused.mean(0))


def samplers_of_rank() -> dict[str, Any]:
    """Rows that the unshuffled sampler gives this process, and its P x K batches."""
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
def samplers_of_ranks(training_of_ranks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [rank["samplers"] for rank in training_of_ranks]


@pytest.fixture(scope="module")
def folder_of_ranks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("training")


@pytest.fixture(scope="module")
def training_of_ranks(tiny_data: Path, folder_of_ranks: Path) -> list[dict[str, Any]]:
    from mmengine.registry import DATASETS, init_default_scope

    from diccae import registry  # noqa: F401

    folder = folder_of_ranks
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
    return on_two_processes(training_worker, folder)


def test_ranks_together_read_every_clip_in_order(samplers_of_ranks: list[dict[str, Any]]) -> None:
    for clips in (46, 47):
        dealt = list(
            itertools.chain.from_iterable(
                zip(*[rank["share"][clips] for rank in samplers_of_ranks], strict=True)
            )
        )
        assert dealt[:clips] == list(range(clips))
        # gathering needs shares of equal size, so the last ones repeat the first clips
        assert len(dealt) - clips == clips % RANKS


def test_ranks_share_the_p_x_k_batches_of_one_process(
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


def test_features_of_a_dataset_cover_every_clip_once_in_order(
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
    "kept", ["train_labels", "update_labels", "matrix", "assignments", "state", "gradients"]
)
def test_both_ranks_have_the_same_labels_weights_and_model(
    training_of_ranks: list[dict[str, Any]], kept: str
) -> None:
    first, second = (rank[kept] for rank in training_of_ranks)
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    if kept == "train_labels":
        assert torch.equal(first, training_of_ranks[0]["assignments"]["train_1"].long())
    if kept == "gradients":
        assert all(
            sorted(row) == [f"grad_share_{n}" for n in ("cls", "confusion", "infonce")]
            for row in first
        )
    if kept == "matrix":
        assert torch.equal(first["weights"], training_of_ranks[0]["state"]["confusion_weights"])
        assert int(first["counts"].sum()) == 47
        # seed, the number of SHUFFLE and that of the stage, as with one process
        dynamic = normalize_degree(first["degree"], valid=first["counts"] >= 2)
        options = {"weight_range": 2.0, "seed": [0, 11, 1]}
        assert torch.equal(first["weights"], controlled_weights(dynamic, "shuffled", **options))


def test_withheld_scores_of_two_processes_are_those_of_one(
    training_of_ranks: list[dict[str, Any]],
    folder_of_ranks: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder_of_ranks)
    for place, alone in withheld_tables(folder_of_ranks, 1).items():
        # 72 clips: with batches of 10 the last ones of the two processes are of 6
        assert len(alone) == 6 * 72
        assert alone["top1"].nunique() > 3
        together = pd.read_csv(folder_of_ranks / f"{place}0.csv")
        pd.testing.assert_frame_equal(together, alone, check_dtype=False)
        assert (folder_of_ranks / f"{place}1.csv").read_text().strip() == ""
