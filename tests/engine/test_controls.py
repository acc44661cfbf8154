"""The controls in short trainings: which weights and labels a run really uses."""

from __future__ import annotations

import json
from itertools import combinations, permutations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from mmaction.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import DefaultSampler

from diccae import registry  # noqa: F401
from diccae.datasets.samplers import PKSampler
from diccae.engine.hooks.confusion_degree import ConfusionDegreeHook
from diccae.engine.hooks.oracle_degree import OracleDegreeHook
from diccae.engine.runs import execute
from diccae.errors import UserError
from diccae.functional.weights import normalize_degree
from diccae.plans import Plan
from diccae.run_graph import Run, check, with_parents
from tests.conftest import tiny_plan


def trained(run: Run) -> Run:
    """The run, after everything that it starts from and itself were trained."""
    for each in with_parents([run]):
        execute(each)
    return run


def weight_hook(config: Config) -> Any:
    """Config of the hook that sets the weights."""
    (hook,) = (hook for hook in config.custom_hooks if hook.type.endswith("DegreeHook"))
    return hook


def test_the_same_permutation_at_every_epoch_and_after_a_resume(
    workspace: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = tiny_plan(workspace, tiny_data, **{"schedule.pretrain.epochs": 4})
    run = Run(plan, "pretrain", "shuffled_weights", 0)
    execute(*run.parents.values())
    seen: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
    after = ConfusionDegreeHook.after_train_epoch

    def watched(self: ConfusionDegreeHook, runner: Any) -> None:
        after(self, runner)
        if runner.epoch == 2 and 2 not in seen:
            seen[2] = self.state["degree"], self.state["weights"]
            raise KeyboardInterrupt
        seen[runner.epoch] = self.state["degree"], runner.model.confusion_weights.clone().cpu()

    monkeypatch.setattr(ConfusionDegreeHook, "after_train_epoch", watched)
    with pytest.raises(KeyboardInterrupt):
        execute(run)
    execute(run)
    assert sorted(seen) == [0, 1, 2, 3]
    dynamic = [(normalize_degree(degree), weights) for degree, weights in seen.values()]
    places = torch.arange(6)
    found = [
        p
        for p in map(torch.tensor, permutations(range(6)))
        if all(torch.equal(weights, before[p][:, p]) for before, weights in dynamic)
    ]
    # the weights tell which permutation it was, and it has no cycle of one or two clusters
    assert len(found) == 1
    assert (found[0][found[0]] != places).all()


def test_each_seed_and_stage_has_a_permutation_of_its_own(workspace: Path, tiny_data: Path) -> None:
    plan = tiny_plan(workspace, tiny_data)
    seeds = [
        tuple(weight_hook(Run(plan, stage, "shuffled_weights", seed).config()).seed)
        for stage in ("pretrain", "finetune")
        for seed in (0, 1)
    ]
    assert len(set(seeds)) == 4
    other = tiny_plan(workspace, tiny_data, **{"schedule.stream": 1})
    again = weight_hook(Run(other, "pretrain", "shuffled_weights", 0).config())
    assert tuple(again.seed) == seeds[0]


def test_the_oracle_has_the_confusion_that_the_generator_states(
    workspace: Path, tiny_data: Path
) -> None:
    plan = tiny_plan(workspace, tiny_data)
    run = trained(Run(plan, "finetune", "oracle_weights", 0, "A"))
    known = json.loads((tiny_data / "truth.json").read_text())["bayes_confusion"]
    both = {name: (np.array(known[name]) + np.array(known[name]).T) / 2 for name in ("A", "AV")}
    off = ~np.eye(12, dtype=bool)
    with np.load(run.folder / "confusion.npz") as arrays:
        assert arrays["update_degree"][off] == pytest.approx(both["A"][off])
        weights = normalize_degree(torch.from_numpy(arrays["update_degree"]))
        assert arrays["update_weight"] == pytest.approx(weights.numpy())
        # those of the test clips are measured
        assert arrays["test_degree"][off] != pytest.approx(both["A"][off])

    folder = Run(plan, "pretrain", "oracle_weights", 0).folder
    truth = pd.read_parquet(tiny_data / "truth.parquet").set_index("id")["label"]
    with np.load(folder / "assignments.npz") as arrays:
        # the update clips are the last 48
        clusters, classes = arrays["assign_1"][-48:], truth[arrays["ids"][-48:]].to_numpy()
    with np.load(folder / "confusion.npz") as arrays:
        degree, counts = arrays["update_degree"], arrays["counts"]
    for k, l in combinations(np.flatnonzero(counts), 2):  # noqa: E741
        taken = both["AV"][np.ix_(classes[clusters == k], classes[clusters == l])]
        assert degree[k, l] == pytest.approx(taken.mean())


def test_the_oracle_wants_the_embedded_benchmark(workspace: Path, tiny_data: Path) -> None:
    plan = tiny_plan(workspace, tiny_data)
    own = {
        "dataset": "own",
        "table1": {"variants": ["full", "oracle_weights"], "modalities": ["A"]},
    }
    bare = {"table2", "sensitivity", "figure2", "figure3", "leakage"}
    with pytest.raises(
        UserError, match="plan tiny, pretrain of oracle_weights: method.weighting oracle takes the"
    ):
        check(Plan(**(plan.model_dump(exclude=bare) | own)))


def test_the_oracle_wants_the_classes_of_the_design() -> None:
    hook = OracleDegreeHook("pairs", "AV", circles={}, weights={})
    dataset = SimpleNamespace(metainfo={"classes": ("walk", "run")})
    runner: Any = SimpleNamespace(train_dataloader=SimpleNamespace(dataset=dataset))
    with pytest.raises(UserError, match="design pairs, lie down, fall, .*, got walk, run; render"):
        hook.before_train(runner)


@pytest.mark.parametrize(
    ("variant", "overrides", "message"),
    [
        (
            "shuffled_weights",
            {"method.kmeans_k": 2},
            "pretrain of shuffled_weights: .* wanted 3 classes or more, got 2, whose only pair",
        ),
        (
            "inverted_weights",
            {"method.normalization": "mean_one"},
            "inverted is weight_range - w, and normalization mean_one has no largest weight",
        ),
        (
            "inverted_weights",
            {"method.weight_floor": 3.0},
            "weight_range is 2 and a weight can be 3; raise weight_range",
        ),
    ],
)
def test_controls_that_do_not_exist(
    workspace: Path, tiny_data: Path, variant: str, overrides: dict[str, Any], message: str
) -> None:
    plan = tiny_plan(workspace, tiny_data, **overrides)
    with pytest.raises(UserError, match=message):
        Run(plan, "pretrain", variant, 0).config()


def test_permuted_labels_are_those_of_training_and_update_clips_alone(
    workspace: Path, tiny_data: Path
) -> None:
    plan = tiny_plan(workspace, tiny_data)
    full, control = (
        Run(plan, "finetune", variant, 0, "A") for variant in ("full", "permuted_labels")
    )
    configs = full.config(), control.config()
    assert configs[0].test_dataloader == configs[1].test_dataloader
    for name in ("train_dataloader", "update_dataloader"):
        given, permuted, again = (
            DATASETS.build(config[name].dataset) for config in (*configs, configs[1])
        )
        assert permuted.ids.tolist() == given.ids.tolist()
        assert permuted.labels.bincount().tolist() == given.labels.bincount().tolist()
        # one in twelve keeps its label by chance
        assert (permuted.labels == given.labels).float().mean() < 0.3
        assert torch.equal(again.labels, permuted.labels)
        sampler = PKSampler(DefaultSampler(permuted, seed=0), batch_size=16, samples_per_class=2)
        for batch in sampler:
            assert sorted(permuted.labels[batch].bincount().tolist())[-8:] == [2] * 8
    trained(control)
    # pre-training has no labels to permute
    assert Run(plan, "pretrain", "permuted_labels", 0).owner.variant == "full"
    predictions = pd.read_parquet(control.folder / "predictions.parquet").set_index("id")
    truth = pd.read_parquet(tiny_data / "truth.parquet").set_index("id")["label"]
    assert (predictions["label"] == truth[predictions.index]).all()
    record = json.loads((control.folder / "record.json").read_text())
    assert record["settings"]["method"]["finetune_labels"] == "permuted"
