"""The DICCAE network under every reading of the paper's open choices."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmaction.registry import DATASETS, MODELS
from mmaction.structures import ActionDataSample
from mmengine.dataset import pseudo_collate

from diccae import registry  # noqa: F401
from diccae.errors import UserError
from diccae.run_graph import Run
from tests.conftest import tiny_plan

READINGS = [
    {},
    {"method.similarity": "half_cosine"},
    {"method.similarity": "rbf"},
    {"method.similarity": "mlp"},
    {"method.pairs": "intra_modal"},
    {"method.pairs": "cross_modal"},
    {"method.pair_reduction": "plain_mean"},
    {"method.pair_reduction": "sum"},
    {"method.infonce_contrast": "intra_modal"},
    {"method.infonce_contrast": "both"},
    {"method.infonce_contrast": "one_way"},
    {"variant": "no_infonce", "method.pairs": "cross_modal"},
    {"variant": "supcon"},
    {"variant": "hard_negative"},
]


@pytest.mark.parametrize(
    "overrides",
    READINGS,
    ids=lambda value: ",".join(f"{k.split('.')[-1]}={v}" for k, v in value.items()) or "default",
)
@pytest.mark.parametrize("modality", ["A", "V", "AV"])
def test_every_reading_gives_finite_losses_and_gradients(
    workspace: Path, tiny_data: Path, overrides: dict[str, object], modality: str
) -> None:
    variant = str(overrides.get("variant", "full"))
    chosen = {key: value for key, value in overrides.items() if key != "variant"}
    plan = tiny_plan(workspace, tiny_data, **chosen)
    config = Run(plan, "finetune", variant, 0, modality).config()
    # there are no pre-trained weights
    config.model.pop("init_cfg")
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    dataset = DATASETS.build(config.train_dataloader.dataset)
    batch = model.data_preprocessor(pseudo_collate([dataset[index] for index in range(12)]), True)
    losses = model(**batch, mode="loss")
    wanted = {"loss_cls", "loss_supcon" if variant == "supcon" else "loss_confusion"}
    if modality == "AV" and variant != "no_infonce":
        wanted.add("loss_infonce")
    assert set(losses) == wanted
    sum(losses.values()).backward()
    missing = [
        name
        for name, value in model.named_parameters()
        if value.grad is None or not torch.isfinite(value.grad).all()
    ]
    assert missing == []


def test_all_weights_are_one_in_the_first_epoch(workspace: Path, tiny_data: Path) -> None:
    model = MODELS.build(
        Run(tiny_plan(workspace, tiny_data), "finetune", "from_scratch", 0, "A").config().model
    )
    assert torch.equal(model.confusion_weights, torch.ones(12, 12))


def test_scores_of_views_are_averaged(workspace: Path, tiny_data: Path) -> None:
    config = Run(tiny_plan(workspace, tiny_data), "finetune", "from_scratch", 0, "AV").config()
    torch.manual_seed(0)
    model = MODELS.build(config.model).eval()
    dataset = DATASETS.build(config.test_dataloader.dataset)
    batch = model.data_preprocessor(pseudo_collate([dataset[0], dataset[1]]), False)
    with torch.no_grad():
        samples = model(**batch, mode="predict")
        scores = []
        for view in (0, 1):
            inputs = {
                "audio": batch["inputs"]["audio"],
                "video": batch["inputs"]["video"][:, view : view + 1],
            }
            scores.append(model(inputs, mode="tensor").softmax(1))
    for index, sample in enumerate(samples):
        torch.testing.assert_close(sample.pred_score, (scores[0][index] + scores[1][index]) / 2)
        torch.testing.assert_close(sample.single_score, scores[0][index])
        assert int(sample.pred_label) == int(sample.pred_score.argmax())


def test_motion_input_of_a_still_picture_is_zero(workspace: Path, tiny_data: Path) -> None:
    config = Run(tiny_plan(workspace, tiny_data), "finetune", "from_scratch", 0, "V").config()
    preprocessor = MODELS.build(config.model.data_preprocessor)
    still = torch.full((1, 8, 3, 32, 32), 77, dtype=torch.uint8)
    video = preprocessor({"inputs": {"video": [still]}, "data_samples": []})["inputs"]["video"]
    assert video.shape == (1, 1, 8, 32, 32)
    assert video.abs().max() < 1e-5


def test_compiled_encoders_keep_the_names_of_a_checkpoint(workspace: Path, tiny_data: Path) -> None:
    plain, compiled = (
        Run(tiny_plan(workspace, tiny_data, **overrides), "finetune", "from_scratch", 0).config()
        for overrides in ({}, {"schedule.compile": True})
    )
    assert "compile_encoders" not in plain.model
    models = [MODELS.build(config.model) for config in (plain, compiled)]
    assert list(models[0].state_dict()) == list(models[1].state_dict())
    # compilation starts with the first batch; before it, compile() only sets this attribute
    compiled_calls = [
        encoder._compiled_call_impl is not None
        for model in models
        for encoder in model.encoders.values()
    ]
    assert compiled_calls == [False, False, True, True]


def test_labels_that_the_classifier_has_no_class_for(workspace: Path, tiny_data: Path) -> None:
    config = Run(tiny_plan(workspace, tiny_data), "finetune", "full", 0, "A").config()
    config.model.pop("init_cfg")
    model = MODELS.build(config.model)
    last = model.num_classes - 1
    for label in (last + 1, -1):
        samples = [ActionDataSample().set_gt_label(value) for value in (0, label)]
        message = f"has the label {label}, and the model the classes 0 to {last}; set data.num_cl"
        with pytest.raises(UserError, match=message):
            model.loss({"audio": torch.zeros(2, 1, 64, 64)}, samples)


ENCODER = dict(type="ConvEncoder", in_channels=1, widths=(4, 8))
BOTH = dict(
    type="DICCAE",
    modalities=("audio", "video"),
    num_classes=3,
    embedding_dim=8,
    audio_encoder=ENCODER,
    video_encoder=ENCODER,
)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modalities": "audio"}, r"wanted \('audio',\), \('video',\) or both, got 'audio'"),
        ({"video_encoder": None}, "video_encoder: the model has the modality video and no encoder"),
        (
            {"modalities": ("audio",), "info_nce": dict(type="InfoNCELoss")},
            "info_nce: contrast cross_modal needs both modalities; choose intra_modal",
        ),
    ],
)
def test_a_model_that_cannot_be_built(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        MODELS.build(BOTH | options)


def test_an_unknown_mode() -> None:
    with pytest.raises(UserError, match="wanted loss, predict or tensor, got 'losses'"):
        MODELS.build(BOTH)({"audio": torch.zeros(1), "video": torch.zeros(1)}, mode="losses")
