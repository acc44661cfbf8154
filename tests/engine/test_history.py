"""Shares of the terms of the loss, and how the progress bar states them."""

from __future__ import annotations

import pytest

from diccae.engine.hooks.history import shares
from diccae.engine.hooks.progress import summary

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
