"""Scores with a modality withheld, against a slow computation from inputs replaced by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from mmaction.registry import MODELS
from mmengine.dataset import DefaultSampler, pseudo_collate
from mmengine.utils import import_modules_from_strings
from torch.utils.data import DataLoader

from diccae import registry  # noqa: F401
from diccae.engine.lean_runner import LeanRunner, lean_runner
from diccae.engine.runs import _final_weights
from diccae.engine.withheld import WithheldHook
from diccae.evaluation.withheld import KINDS, other_clips
from diccae.models.systems.diccae import DICCAE
from diccae.run_graph import Run
from tests.conftest import COUNTS, tiny_plan

SEED = 5


@pytest.fixture(scope="module")
def runner(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LeanRunner]:
    """A trained A-V model. Its averaged weights are scored, and its last ones are overwritten."""
    yield from trained("from_scratch", 10, tiny_data, tmp_path_factory.mktemp("withheld"))


def trained(variant: str, epochs: int, data: Path, folder: Path) -> Iterator[LeanRunner]:
    from mmengine.registry import init_default_scope

    init_default_scope("mmaction")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        # batches of 13 do not divide the 72 clips
        overrides = {"schedule.eval_batch_size": 13, "schedule.finetune.epochs": epochs}
        plan = tiny_plan(folder, data, **overrides)
        config = Run(plan, "finetune", variant, SEED, "AV").config()
        import_modules_from_strings(config.custom_imports.imports)
        config.work_dir, config.log_level = str(folder / "work"), "WARNING"
        config.custom_hooks.append(
            dict(type="EMAHook", ema_type="StochasticWeightAverage", begin_epoch=1)
        )
        runner = lean_runner(config)
        runner.train()
        for weights in runner.model.parameters():
            weights.data = torch.randn_like(weights)
        yield runner


def scored(runner: LeanRunner) -> pd.DataFrame:
    hook = WithheldHook(SEED)
    runner.register_hook(hook)
    try:
        runner.test()
    finally:
        runner._hooks.remove(hook)
    return hook.table


def inputs_of(model: Any, dataset: Any) -> dict[str, torch.Tensor]:
    batch = pseudo_collate([dataset[index] for index in range(len(dataset))])
    return model.data_preprocessor(batch, False)["inputs"]


def slow_scores(runner: LeanRunner) -> dict[tuple[str, str], torch.Tensor]:
    """Scores (N, C) of the test clips by withheld modality and filling."""
    model = MODELS.build(runner.cfg.model).eval()
    model.load_state_dict(_final_weights(runner))
    tested = runner.test_dataloader.dataset
    own = inputs_of(model, tested)
    training = inputs_of(model, tested.at(runner.train_dataloader.dataset.rows.numpy()))
    partner = other_clips(tested.clips["split"].to_numpy(str), SEED)
    found = {}
    for withheld, filling in KINDS:
        value = own[withheld]
        replaced = {
            "zeros": torch.zeros_like(value),
            "mean": training[withheld].mean(0, keepdim=True).expand_as(value),
            "another_clip": value[torch.from_numpy(partner)],
        }[filling]
        both = own | {withheld: replaced}
        views = []
        for view in range(both["video"].shape[1]):
            inputs = {"audio": both["audio"], "video": both["video"][:, view : view + 1]}
            with torch.no_grad():
                views.append(model(inputs, mode="tensor").softmax(1))
        found[withheld, filling] = torch.stack(views).mean(0)
    return found


@pytest.mark.parametrize("separate", [True, False], ids=["features", "inputs"])
def test_every_filling_equals_the_slow_computation(
    runner: LeanRunner, monkeypatch: pytest.MonkeyPatch, separate: bool
) -> None:
    monkeypatch.setattr(DICCAE, "separate_encoders", separate)
    check_every_filling(runner)


def test_a_model_that_computes_both_modalities_together(tiny_data: Path, tmp_path: Path) -> None:
    for runner in trained("mbt", 10, tiny_data, tmp_path):
        check_every_filling(runner)


def check_every_filling(runner: LeanRunner) -> None:
    table, slow = scored(runner), slow_scores(runner)
    ids = runner.test_dataloader.dataset.ids
    for kind, scores in slow.items():
        chosen = table[(table["withheld"] == kind[0]) & (table["filling"] == kind[1])]
        assert sorted(chosen["id"]) == sorted(ids)
        found = chosen.set_index("id").loc[ids, "top1"].to_numpy(np.int64)
        reached = scores[np.arange(len(ids)), found]
        # equal but for classes whose scores differ by rounding alone
        torch.testing.assert_close(reached, scores.max(1).values)
    # the kinds can be told apart
    assert len({tuple(scores.argmax(1).tolist()) for scores in slow.values()}) == len(KINDS)


def test_the_test_itself_is_the_same_with_and_without(runner: LeanRunner) -> None:
    def results() -> tuple[Any, ...]:
        metric = runner.test_evaluator.metrics[0]
        return metric.predictions, metric.embeddings

    runner.test()
    alone = results()
    scored(runner)
    pd.testing.assert_frame_equal(results()[0], alone[0])
    assert results()[1].tobytes() == alone[1].tobytes()
    assert runner.model.on_features is None


def test_a_test_keeps_the_averaged_weights(runner: LeanRunner) -> None:
    before = _final_weights(runner)
    runner.test()
    after = _final_weights(runner)
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert not torch.equal(after["classifier.weight"], runner.model.classifier.weight.cpu())


def test_the_only_clip_of_a_split_has_no_other(
    runner: LeanRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = runner.test_dataloader
    first = COUNTS["test"] - 1
    rows = np.sort(loader.dataset.rows.numpy())
    splits = loader.dataset.at(rows).clips["split"].to_numpy(str)
    chosen = np.concatenate([rows[splits == "validation"][:1], rows[splits == "test"][:first]])
    dataset = loader.dataset.at(chosen)
    few = DataLoader(
        dataset,
        batch_size=8,
        sampler=DefaultSampler(dataset, shuffle=False),
        collate_fn=loader.collate_fn,
    )
    monkeypatch.setattr(runner.test_loop, "dataloader", few)
    said: list[str] = []
    monkeypatch.setattr(runner.logger, "warning", said.append)
    counts = scored(runner).groupby(["split", "withheld", "filling"]).size()
    assert counts["validation"].to_dict() == {
        kind: 1 for kind in KINDS if kind[1] != "another_clip"
    }
    assert counts["test"].to_dict() == dict.fromkeys(KINDS, first)
    assert said == [
        "the split validation has a single clip, so another_clip is left out of its scores with a "
        "modality withheld"
    ]
