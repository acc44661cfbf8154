"""`schedule.stream`: other random numbers for the same clips and the same first clusters."""

from __future__ import annotations

from typing import Any

import pytest

from diccae.errors import UserError
from diccae.plans import load_plan
from diccae.run_graph import Run

PLAN = load_plan("spread")


def config(variant: str, stage: str, seed: int = 300) -> Any:
    return Run(PLAN, stage, variant, seed, "A" if stage == "finetune" else "").config()


def seeds_in(found: Any) -> set[int]:
    """Seeds of initial weights, order and augmentation."""
    loader = found.train_dataloader
    return {
        found.randomness.seed,
        next(hook.seed for hook in found.custom_hooks if hook.type == "ReproducibilityHook"),
        loader.sampler.seed,
        loader.get("batch_sampler", loader.sampler)["seed"],
        loader.dataset.get("augmentation_seed", loader.dataset.seed),
    }


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_a_stream_changes_the_random_numbers_and_no_clip(stage: str) -> None:
    first, other = config("full", stage), config("full@stream=1", stage)
    assert seeds_in(first) == {300}
    (changed,) = seeds_in(other)
    assert changed not in {300, *seeds_in(config("full@stream=2", stage))}
    for found in (first, other):
        assert found.train_dataloader.dataset.seed == 300
        assert found.update_dataloader.dataset.seed == 300
        assert "augmentation_seed" not in found.update_dataloader.dataset
    assert [hook for hook in first.custom_hooks if hook.type == "PseudoLabelHook"] == [
        hook for hook in other.custom_hooks if hook.type == "PseudoLabelHook"
    ]


def test_all_streams_share_the_warm_up_and_each_has_its_own_pre_training() -> None:
    for stream in (1, 2):
        run = Run(PLAN, "pretrain", f"full@stream={stream}", 301)
        assert run.owner == run
        assert [str(parent) for parent in run.parents.values()] == ["warmup full seed 301"]


def test_stream_0_is_that_of_every_plan() -> None:
    for stage in ("warmup", "pretrain", "finetune"):
        ours, theirs = (
            Run(plan, stage, "full", 300).config_hash
            for plan in (PLAN, load_plan("embedded").model_copy(update={"name": "spread"}))
        )
        assert ours == theirs
        assert Run(PLAN, stage, "full@stream=0", 300).config().randomness.seed == 300


def test_a_stream_that_is_no_number() -> None:
    with pytest.raises(UserError, match="schedule: stream: Input should be a valid integer"):
        Run(PLAN, "pretrain", "full@stream=0.5", 300).config()


def test_one_parameter_sets_the_rates_of_warm_up_and_pre_training() -> None:
    tuning = load_plan("tuning")
    run = Run(tuning, "pretrain", "no_confusion_loss@pre=0.004", 300)
    assert run.config().optim_wrapper.optimizer.lr == 0.004
    # InfoNCE alone, so the warm-up at the same rate is its pre-training
    assert run.owner.stage == "warmup"
    assert run.owner.config().optim_wrapper.optimizer.lr == 0.004
    default = Run(tuning, "pretrain", "no_confusion_loss@pre=0.008", 300).owner
    assert default == Run(tuning, "pretrain", "no_confusion_loss@lr=0.002", 300).owner
