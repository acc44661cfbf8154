"""Gradient-Blending: losses, copies, and estimates within real runs."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from mmaction.structures import ActionDataSample
from mmengine.utils import import_modules_from_strings
from torch import Tensor
from torch.nn import functional as F

from diccae import registry  # noqa: F401
from diccae.clip_counts import Clips
from diccae.clips_of_plan import count_each
from diccae.data_check import check_data
from diccae.engine.feature_extractor import unwrap
from diccae.engine.hooks.history import HistoryHook
from diccae.engine.lean_runner import LeanRunner
from diccae.engine.runs import execute, train
from diccae.errors import UserError
from diccae.functional.blending import Blend, blend_weights
from diccae.models.systems.gblend import JOINT, GBlend, GBlendCopies, blend_of_file
from diccae.planning.speeds import kind_of
from diccae.planning.work import work_of
from diccae.plans import Plan, load_plan
from diccae.run_graph import Run, with_parents
from tests.conftest import tiny_plan

CLASSES, BOTH = 3, ("audio", "video")
NAMES = (*BOTH, JOINT)
ENCODERS = {
    "audio_encoder": dict(type="ConvEncoder", in_channels=1, widths=(4, 6)),
    "video_encoder": dict(type="ConvEncoder", in_channels=2, widths=(4, 8)),
}


@pytest.fixture
def batch(workspace: Path) -> tuple[dict[str, Tensor], list[ActionDataSample]]:
    inputs = {"audio": torch.randn(5, 1, 16, 16), "video": torch.randn(5, 1, 2, 16, 16)}
    return inputs, [ActionDataSample().set_gt_label(index % CLASSES) for index in range(5)]


def network(heads: tuple[str, ...] = NAMES, **options: Any) -> GBlend:
    return GBlend(BOTH, CLASSES, heads=heads, **ENCODERS, **options)


def set_weights(model: GBlend, weights: list[float]) -> None:
    values = torch.tensor(weights)
    model.set_blend(Blend(values, values, values, torch.zeros(len(weights), dtype=torch.int64)))


def gradients(model: GBlend, loss: Tensor) -> list[Tensor]:
    values = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    pairs = zip(values, model.parameters(), strict=True)
    return [torch.zeros_like(own) if value is None else value for value, own in pairs]


def test_the_gradient_is_the_weighted_sum_of_those_of_the_losses(batch: Any) -> None:
    inputs, samples = batch
    model, weights = network().eval(), [0.2, 0.5, 0.3]
    set_weights(model, weights)
    found = gradients(model, sum(model.loss(inputs, samples).values(), torch.zeros(())))
    labels = torch.tensor([0, 1, 2, 0, 1])
    wanted = [torch.zeros_like(value) for value in model.parameters()]
    for weight, name in zip(weights, NAMES, strict=True):
        logits = model.all_logits(model.fuse(model.encode(inputs)))[name]
        for total, own in zip(
            wanted, gradients(model, F.cross_entropy(logits, labels)), strict=True
        ):
            total += weight * own
    torch.testing.assert_close(found, wanted)


def test_the_joint_classifier_is_scored_or_the_weighted_mean_of_all(batch: Any) -> None:
    inputs, _ = batch
    model, blended = network().eval(), network(inference="blend").eval()
    set_weights(model, [0.0, 0.25, 0.75])
    blended.load_state_dict(model.state_dict())
    every = model.all_logits(model.fuse(model.encode(inputs)))
    torch.testing.assert_close(model(inputs), every[JOINT])
    mean = 0.25 * every["video"].softmax(1) + 0.75 * every[JOINT].softmax(1)
    torch.testing.assert_close(blended(inputs).softmax(1), mean)


def test_in_one_modality_it_is_an_encoder_and_a_linear_classifier(batch: Any) -> None:
    inputs, samples = batch
    model = GBlend(
        ("audio",), CLASSES, heads=("audio",), audio_encoder=ENCODERS["audio_encoder"]
    ).eval()
    logits = model.heads["audio"](model.encoders["audio"](inputs["audio"]))
    torch.testing.assert_close(model(inputs), logits)
    labels = torch.tensor([0, 1, 2, 0, 1])
    loss = model.loss(inputs, samples)["loss_audio"]
    torch.testing.assert_close(loss, F.cross_entropy(logits, labels))
    assert model.history() == {}


def test_copies_start_from_the_network_and_share_nothing(batch: Any) -> None:
    inputs, samples = batch
    model = network().eval()
    copies = GBlendCopies(BOTH, CLASSES, **ENCODERS, least_overfitting=0.1).eval()
    copies.start_from(model.state_dict())
    every = model.all_logits(model.fuse(model.encode(inputs)))
    torch.testing.assert_close(
        copies.logits_of_copies(inputs), torch.cat([every[name] for name in NAMES], dim=1)
    )
    losses = copies.loss(inputs, samples)
    reached = {
        name: {key for key, value in copies.named_parameters() if grad(losses[name], value)}
        for name in losses
    }
    assert set(reached) == {f"loss_{name}" for name in NAMES}
    assert set().union(*reached.values()) == {key for key, _ in copies.named_parameters()}
    assert sum(map(len, reached.values())) == len(list(copies.parameters()))


def grad(loss: Tensor, value: Tensor) -> bool:
    return torch.autograd.grad(loss, value, retain_graph=True, allow_unused=True)[0] is not None


def test_a_file_of_weights_that_lacks_a_classifier_is_named(tmp_path: Path) -> None:
    path = tmp_path / "blend.json"
    path.write_text(json.dumps({"audio": {"weight": 1.0}}))
    with pytest.raises(UserError, match=r"blend.json: wanted weight, overfitting, .* found audio"):
        blend_of_file(path, NAMES)


# Real runs.

RUN = {"schedule.finetune.epochs": 4, "method.super_epoch": 2}


@pytest.fixture
def plan(workspace: Path, tiny_data: Path) -> Iterator[Plan]:
    handler = signal.getsignal(signal.SIGTERM)
    yield tiny_plan(workspace, tiny_data, **RUN)
    signal.signal(signal.SIGTERM, handler)


def trained(run: Run, work: str) -> LeanRunner:
    """Train a run in a folder, with a checkpoint after each epoch."""
    config = run.config()
    import_modules_from_strings(**config.custom_imports)
    config.default_hooks.checkpoint.interval = 1
    return train(run, config, Path(work), 1)


def state_and_rows(runner: LeanRunner) -> tuple[dict[str, Tensor], list[dict[str, float]]]:
    rows = next(hook.rows for hook in runner.hooks if isinstance(hook, HistoryHook))
    return unwrap(runner).state_dict(), rows


def test_an_estimate_within_training_is_resumed_and_leaves_everything_else_alone(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(plan, "finetune", "gblend_online", 0, "AV")
    state, rows = state_and_rows(trained(run, "unbroken"))
    frame = pd.DataFrame(rows)
    weights = frame[[f"weight_{name}" for name in NAMES]]
    assert weights.sum(axis=1).to_numpy() == pytest.approx(1)
    # one estimate for epochs 1 and 2, another for 3 and 4
    assert weights.drop_duplicates().index.tolist() == [0, 2]
    assert frame[[f"rule_{name}" for name in NAMES]].notna().all(axis=None)

    def stop(self: HistoryHook, runner: LeanRunner) -> None:
        if runner.epoch == 3:
            raise KeyboardInterrupt
        before(self, runner)

    before = HistoryHook.before_train_epoch
    with monkeypatch.context() as patch:
        patch.setattr(HistoryHook, "before_train_epoch", stop)
        with pytest.raises(KeyboardInterrupt):
            trained(run, "broken")
    again, rows_again = state_and_rows(trained(run, "broken"))
    assert rows_again == rows
    assert same(again, state)
    # with the estimate thrown away, it is the run with equal weights: network, statistics of batch
    # normalisation, optimiser, order of the clips and augmentation
    with monkeypatch.context() as patch:
        patch.setattr(GBlend, "set_blend", lambda self, blend: None)
        unweighted, _ = state_and_rows(trained(run, "unweighted"))
    equal, _ = state_and_rows(trained(Run(plan, "finetune", "gblend_equal", 0, "AV"), "equal"))
    assert same(unweighted, equal)
    assert not same(state, equal)


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    assert one.keys() == other.keys()
    return all(torch.equal(one[key], other[key]) for key in one if key != "blend")


def test_an_estimate_before_training_gives_the_weights_of_a_scored_run(plan: Plan) -> None:
    run = Run(plan, "finetune", "gblend", 0, "AV")
    estimate, _ = with_parents([run])
    for each in (estimate, run):
        execute(each)
    content = json.loads((estimate.folder / "blend.json").read_text())
    weights = torch.load(estimate.folder / "weights.pth", weights_only=True)
    blend = blend_weights(*weights["losses"])
    stated = [content[name]["weight"] for name in NAMES]
    assert stated == pytest.approx(blend.weights.tolist())
    history = pd.read_csv(run.folder / "history.csv")
    assert history[[f"weight_{name}" for name in NAMES]].iloc[0].tolist() == pytest.approx(
        stated, abs=1e-6
    )
    assert json.loads((run.folder / "record.json").read_text())["parents"].keys() == {
        str(estimate.folder / "blend.json")
    }
    metrics = json.loads((run.folder / "metrics.json").read_text())
    assert metrics["accuracy"]["test"]["n"] == 48
    # the joint copy is the naive network, trained as it would be by itself
    naive, _ = state_and_rows(trained(Run(plan, "finetune", "gblend_naive", 0, "AV"), "naive"))
    assert all(torch.equal(weights[key], naive[key].cpu()) for key in naive if "blend" not in key)


def test_stages_modalities_and_work() -> None:
    plan = load_plan("smoke")
    clips: Clips = count_each(plan)[0]
    joint, audio = (Run(plan, "finetune", "gblend", 0, modality) for modality in ("AV", "A"))
    estimate = Run(plan, "estimate", "gblend", 0, "AV")
    assert with_parents([joint]) == [estimate, joint]
    assert with_parents([audio]) == [audio]
    # the estimate has the budget of fine-tuning, whatever the plan sets there
    schedule = estimate.settings.schedule
    assert schedule.stages["estimate"] == schedule.stages["finetune"]
    # 2 epochs of 2 batches of 32, of 72 training clips; 60 clips in the update set
    assert work_of(estimate, clips).trained == work_of(joint, clips).trained == 2 * 64
    assert work_of(estimate, clips).embedded == 2 * (72 + 60)
    online = Run(plan, "finetune", "gblend_online", 0, "AV")
    assert work_of(online, clips).trained == 3 * 2 * 64
    # copies cost more than the network, so that their speed is measured by itself
    assert str(kind_of(estimate)) == "gblend estimate AV"
    assert str(kind_of(joint)) == "gblend fine-tuning AV"
    assert Run(plan, "finetune", "gblend_online", 0, "A").config_hash == audio.config_hash
    large = plan.model_copy(update={"overrides": {"schedule.finetune.batch_size": 1000}})
    runs = with_parents([Run(large, "finetune", "gblend", 0, "AV")])
    with pytest.raises(UserError, match="too few for schedule.finetune.batch_size 1000; lower it"):
        check_data(large, runs=runs)
    with pytest.raises(UserError, match="audio and video together, not in A alone"):
        Run(plan, "estimate", "gblend", 0, "A").config()
