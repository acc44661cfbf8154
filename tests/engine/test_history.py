"""Rows of history.csv: shares of the losses and of their gradients, weights that an epoch used, and
how the progress bar states them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.utils import import_modules_from_strings

from diccae import registry  # noqa: F401
from diccae.engine.hooks.history import HistoryHook, gradient_shares, last_parameters, shares
from diccae.engine.hooks.progress import summary
from tests.systems.composed import Case, random_clips, run_of, write_cache_meta

LOSSES = {"loss": 4.0, "loss_infonce": 3.0, "loss_cls": 0.9, "loss_confusion": 0.1}


def test_shares_of_the_terms_add_up() -> None:
    found = shares({"epoch": 3.0, "lr": 0.1} | LOSSES)
    assert found == pytest.approx(
        {"share_infonce": 0.75, "share_cls": 0.225, "share_confusion": 0.025}
    )
    assert sum(found.values()) == pytest.approx(1)
    assert shares({"loss": 0.0, "loss_cls": 0.0}) == {}


def test_the_bar_states_the_terms_and_the_mean_weight() -> None:
    row = LOSSES | shares(LOSSES)
    assert summary(row | {"weight_mean": 0.0812}) == (
        "loss 4: infonce 75 %, cls 22 %, confusion 2 %, mean weight 0.081"
    )
    # without a confusion loss its weights act on nothing
    alone = {"loss": 1.5, "loss_cls": 1.5}
    assert summary(alone | shares(alone) | {"weight_mean": 1.0}) == "loss 1.5: cls 100 %"


def test_shares_of_the_gradients_add_up() -> None:
    norms = {"loss_cls": 3.0, "loss_infonce": 1.0}
    assert gradient_shares(norms) == {"grad_share_cls": 0.75, "grad_share_infonce": 0.25}
    # a single loss, and losses that do not depend on the encoders
    assert gradient_shares({"loss_cls": 3.0}) == {}
    assert gradient_shares({"loss_a": 0.0, "loss_b": 0.0}) == {}


def trained(case: Case, folder: Path, *, measured: bool) -> tuple[dict[str, Any], dict[str, float]]:
    """The network after an epoch of two steps on the same clips, and the row of the epoch."""
    init_default_scope("mmaction")
    write_cache_meta(folder)
    run = run_of(case, folder)
    config = run.config()
    import_modules_from_strings(**config.custom_imports)
    config.model.pop("init_cfg", None)
    torch.manual_seed(0)
    model = MODELS.build(config.model).train()
    wrapper, hook = build_optim_wrapper(model, config.optim_wrapper), HistoryHook()
    batch = random_clips(config, run, 8)
    runner: Any = SimpleNamespace(
        model=model, optim_wrapper=wrapper, epoch=0, iter=2, train_dataloader=[batch, batch]
    )
    hook.before_train_epoch(runner)
    for index in range(2):
        if measured:
            hook.before_train_iter(runner, index)
        # masks and dropout
        torch.manual_seed(index)
        hook.after_train_iter(runner, index, outputs=model.train_step(batch, wrapper))
    drawn = {"next draw": torch.rand(3)}
    hook.after_train_epoch(runner)
    return {**model.state_dict(), **drawn}, hook.rows[0]


@pytest.mark.parametrize(
    ("case", "terms"),
    [
        (Case("diccae", "pretrain", "AV", "AV"), "infonce confusion"),
        (Case("diccae", "finetune", "AV", "AV"), "infonce cls confusion"),
        (Case("diccae", "finetune", "A", "AV"), "cls confusion"),
        (Case("gblend", "finetune", "AV", "AV"), "audio video joint"),
        # copies of the network share no layer
        (Case("gblend", "estimate", "AV", "AV"), ""),
        (
            Case("cav_mae", "pretrain", "AV", "AV"),
            "reconstruction_audio reconstruction_video contrast",
        ),
        (Case("av_mae", "pretrain", "AV", "AV"), "audio video"),
        (Case("avcl", "pretrain", "AV", "AV"), "cgra selfcl"),
        (Case("mbt", "finetune", "AV", "AV"), ""),
    ],
    ids=str,
)
def test_measuring_gradients_does_not_change_training(
    tmp_path: Path, case: Case, terms: str
) -> None:
    (first, row), (second, plain) = (
        trained(case, tmp_path, measured=measured) for measured in (True, False)
    )
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]) or value.isnan().any(), name
    found = {key: value for key, value in row.items() if key.startswith("grad_share_")}
    assert set(found) == {f"grad_share_{term}" for term in terms.split()}
    assert not found or sum(found.values()) == pytest.approx(1)
    assert all(0 < value < 1 for value in found.values())
    assert plain == {key: value for key, value in row.items() if key not in found}


def test_the_last_trained_layer_of_each_encoder() -> None:
    first = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 4))
    frozen = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.LayerNorm(3))
    frozen[1].requires_grad_(False)
    found = last_parameters([first, frozen, torch.nn.ReLU()])
    wanted = [*first[2].parameters(), *frozen[0].parameters()]
    assert [id(each) for each in found] == [id(each) for each in wanted]


def test_a_row_has_the_weights_that_its_epoch_used() -> None:
    weights = torch.ones(3, 3)
    model = SimpleNamespace(pair_weights=lambda: weights, history=dict, on_losses=None)
    wrapper = SimpleNamespace(get_lr=lambda: {"lr": [0.1]})
    runner: Any = SimpleNamespace(model=model, optim_wrapper=wrapper, epoch=0, iter=1)
    hook, checkpoint = HistoryHook(), {}
    assert hook.result_files(runner) == {}
    for value in (1.0, 0.0, 0.5):
        weights.fill_(value)
        hook.before_train_epoch(runner)
        # another hook sets the weights of the next epoch first
        weights.fill_(7.0)
        hook.after_train_epoch(runner)
        # killed and resumed
        checkpoint = {}
        hook.before_save_checkpoint(runner, checkpoint)
        hook = HistoryHook()
        hook.after_load_checkpoint(runner, checkpoint)
    assert [row["weight_mean"] for row in hook.rows] == [1.0, 0.0, 0.5]
    assert (hook.result_files(runner)["confusion.npz"]["mean_weight"] == 0.5).all()
