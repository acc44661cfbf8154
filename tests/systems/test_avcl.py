"""AVCL: its modules in closed form, each removed, and its stages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.registry import init_default_scope
from torch import nn
from torch.nn import functional as F

from diccae import registry  # noqa: F401
from diccae.errors import UserError
from diccae.functional.arguments import ArgumentError
from diccae.functional.co_correlation import affinity, alignment_loss, attention_fusion
from diccae.functional.contrastive import info_nce
from diccae.models.encoders import ConvEncoder
from diccae.models.losses.co_correlation_loss import CoCorrelationLoss
from diccae.models.systems.avcl import AVCL
from diccae.models.systems.avcl_fusion import AttentionFusion
from diccae.models.vit import AudioViT, VideoViT
from diccae.plans import load_plan
from diccae.run_graph import Run

BATCH, CLASSES = 4, 3
SELFCL = {"type": "InfoNCELoss", "temperature": 0.1, "contrast": "intra_modal"}


@pytest.fixture(autouse=True)
def _scope() -> None:
    init_default_scope("mmaction")


def maps(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


# --- CGRA


def test_rows_of_the_affinity_sum_to_one_and_equal_the_slow_reference() -> None:
    first, second, weight = maps(2, 3, 4), maps(2, 5, 6), maps(4, 6)
    shares = affinity(first, second, weight)
    torch.testing.assert_close(shares.sum(-1), torch.ones(2, 3, dtype=torch.float64))
    row = torch.stack([first[1, 2] @ weight @ second[1, j] / 6**0.5 for j in range(5)]).exp()
    torch.testing.assert_close(shares[1, 2], row / row.sum())


def test_a_constant_affinity_reconstructs_the_mean_feature() -> None:
    second = maps(2, 5, 4)
    shares = affinity(maps(2, 3, 4), second, torch.zeros(4, 4, dtype=torch.float64))
    mean = second.mean(1, keepdim=True).expand(2, 3, 4)
    torch.testing.assert_close(shares @ second, mean)


@pytest.mark.parametrize("level", ["locations", "pooled"])
def test_perfect_alignment_has_no_loss_and_opposite_features_the_largest(level: str) -> None:
    identity = torch.eye(4, dtype=torch.float64)
    # each location finds its own among orthogonal ones
    first = (100 * identity)[None]
    torch.testing.assert_close(
        alignment_loss(first, first[:, [2, 0, 1, 3]], identity, level),
        torch.zeros((), dtype=torch.float64),
    )
    # the sizes of the modalities may differ
    wide_first, second = torch.ones(2, 3, 4), torch.ones(2, 5, 6)
    assert float(alignment_loss(wide_first, second, torch.ones(4, 6), level)) < 1e-6
    opposite = alignment_loss(wide_first, -second, torch.ones(4, 6), level)
    assert float(opposite) == pytest.approx(2)


def test_the_alignment_loss_equals_a_slow_reference() -> None:
    first, second, weight = maps(2, 3, 4), maps(2, 5, 6), maps(4, 6)
    cosines: list[list[torch.Tensor]] = [[], []]
    for clip in range(2):
        for direction, (own, other, bridge) in enumerate(
            [(first[clip], second[clip], weight), (second[clip], first[clip], weight.T)]
        ):
            for row in own:
                scores = torch.stack([row @ bridge @ col for col in other])
                shares = (scores / len(other[0]) ** 0.5).softmax(0)
                rebuilt = sum(share * col for share, col in zip(shares, other, strict=True))
                cosines[direction].append(F.cosine_similarity(row @ bridge, rebuilt, dim=0))
    wanted = sum(1 - torch.stack(each).mean() for each in cosines) / 2
    torch.testing.assert_close(alignment_loss(first, second, weight), wanted)


@pytest.mark.parametrize("level", ["locations", "pooled"])
def test_gradients_of_the_alignment_loss(level: str) -> None:
    first, second, weight = maps(2, 3, 4), maps(2, 2, 5), maps(4, 5)
    assert torch.autograd.gradcheck(
        lambda a, b, w: alignment_loss(a, b, w, level), inputs=(first, second, weight)
    )


def test_locations_of_zeros_have_cosine_zero_and_no_gradient() -> None:
    first = torch.zeros(1, 2, 3, requires_grad=True)
    loss = alignment_loss(first, torch.ones(1, 4, 3), torch.eye(3))
    loss.backward()
    assert loss.item() == 1
    assert torch.equal(first.grad, torch.zeros(1, 2, 3))


def test_bad_arguments_of_the_alignment() -> None:
    with pytest.raises(ArgumentError, match=r"weight: wanted shape \(3, 4\), got \(4, 3\)"):
        affinity(torch.ones(1, 2, 3), torch.ones(1, 2, 4), torch.ones(4, 3))
    with pytest.raises(ArgumentError, match="level: wanted one of locations, pooled, got 'maps'"):
        CoCorrelationLoss(3, 3, level="maps")


# --- AMFM


def test_fusion_is_the_weighted_sum_of_the_projected_features() -> None:
    fusion = AttentionFusion({"audio": 5, "video": 3}, 4).double()
    features = {"audio": maps(2, 5), "video": maps(2, 3)}
    projected = [fusion.projections[name](value) for name, value in features.items()]
    scores = [each.tanh() @ fusion.score.weight[0] for each in projected]
    shares = [score.exp() / (scores[0].exp() + scores[1].exp()) for score in scores]
    torch.testing.assert_close(shares[0] + shares[1], torch.ones(2, dtype=torch.float64))
    wanted = shares[0][:, None] * projected[0] + shares[1][:, None] * projected[1]
    torch.testing.assert_close(fusion(features), wanted)


def test_weights_of_the_modalities_sum_to_one() -> None:
    # the fused feature of equal features is this feature, whatever their scores
    feature = maps(3, 1, 4).expand(3, 2, 4)
    torch.testing.assert_close(attention_fusion(feature, 10 * maps(3, 2)), feature[:, 0])
    picked = attention_fusion(
        torch.stack([torch.zeros(2, 4), torch.ones(2, 4)], 1), torch.tensor([[0.0, 200.0]] * 2)
    )
    assert torch.equal(picked, torch.ones(2, 4))


def test_gradients_of_the_fusion() -> None:
    assert torch.autograd.gradcheck(attention_fusion, (maps(2, 2, 3), maps(2, 2)))


# --- encoders


def test_the_mean_over_locations_is_the_feature() -> None:
    options = {"model": "test_vit", "init": "scratch"}
    encoders: list[tuple[nn.Module, tuple[int, ...], int]] = [
        (ConvEncoder(1, (8, 16)), (2, 1, 16, 24), 4 * 6),
        (AudioViT(fbank_frames=64, n_mels=32, **options), (2, 1, 64, 32), 4 * 2),
        (VideoViT(num_frames=2, frame_size=32, **options), (2, 6, 32, 32), 2 * 4),
    ]
    for encoder, shape, count in encoders:
        inputs = torch.randn(shape)
        locations = encoder.eval().locations(inputs)
        assert locations.shape == (2, count, encoder.out_features)
        torch.testing.assert_close(locations.mean(1), encoder(inputs))


# --- the network


def network(modalities: tuple[str, ...] = ("audio", "video"), **options: Any) -> AVCL:
    encoders = {
        "audio": dict(type="ConvEncoder", in_channels=1, widths=(4, 8)),
        "video": dict(type="ConvEncoder", in_channels=2, widths=(4, 6)),
    }
    torch.manual_seed(0)
    built = AVCL(
        modalities=modalities,
        num_classes=CLASSES,
        embedding_dim=5,
        **{f"{name}_encoder": encoders[name] for name in modalities},
        **options,
    )
    built.train()
    return built


def batch(modalities: tuple[str, ...] = ("audio", "video")) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = {"audio": (BATCH, 1, 16, 8), "video": (BATCH, 1, 2, 16, 16)}
    return {
        prefix + name: torch.randn(shapes[name], generator=generator)
        for name in modalities
        for prefix in ("", "second_")
    }


SAMPLES = [ActionDataSample().set_gt_label(label % CLASSES) for label in range(BATCH)]


@pytest.mark.parametrize("modalities", [("audio",), ("video",), ("audio", "video")])
@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_losses_are_finite_and_every_weight_has_a_gradient(
    modalities: tuple[str, ...], stage: str
) -> None:
    both = len(modalities) == 2
    model = network(
        modalities,
        cgra={} if both else None,
        selfcl=SELFCL if stage == "pretrain" else None,
        selfcl_head=True,
        cls_head=stage == "finetune",
    )
    losses = model(batch(modalities), SAMPLES, mode="loss")
    own = "loss_selfcl" if stage == "pretrain" else "loss_cls"
    assert set(losses) == ({"loss_cgra", own} if both else {own})
    sum(losses.values()).backward()
    for name, value in model.named_parameters():
        assert value.grad is not None, name
        assert value.grad.isfinite().all(), name


def test_a_network_without_a_module_is_the_smaller_one() -> None:
    whole = network(cgra={}, selfcl=SELFCL, cls_head=False)
    without_cgra = network(selfcl=SELFCL, cls_head=False)
    without_selfcl = network(cgra={}, amfm=None, cls_head=False)
    names = set(whole.state_dict())
    assert names - set(without_cgra.state_dict()) == {"cgra.weight"}
    assert {n.split(".")[0] for n in names - set(without_selfcl.state_dict())} == {"fusion"}
    for smaller in (without_cgra, without_selfcl):
        smaller.load_state_dict(whole.state_dict(), strict=False)
    losses = whole(batch(), SAMPLES, mode="loss")
    torch.testing.assert_close(
        without_cgra(batch(), SAMPLES, mode="loss"), {"loss_selfcl": losses["loss_selfcl"]}
    )
    first_view = network(cgra={}, amfm=None, cls_head=False)(batch(), SAMPLES, mode="loss")
    assert set(first_view) == {"loss_cgra"}
    # two encoders, a linear map of their concatenated features, a linear classifier
    plain = network(amfm="concatenation")
    features = plain.encode(batch())
    joined = torch.cat([features["audio"], features["video"]], 1)
    logits = plain.classifier(plain.fusion.projection(joined))
    loss = plain(batch(), SAMPLES, mode="loss")["loss_cls"]
    torch.testing.assert_close(loss, F.cross_entropy(logits, torch.tensor([0, 1, 2, 0])))


def test_selfcl_is_infonce_of_the_fused_features_of_two_views() -> None:
    model = network(selfcl=SELFCL, cls_head=False)
    inputs = batch()
    first = model.embed(inputs)
    second = model.embed({name: inputs[f"second_{name}"] for name in ("audio", "video")})
    wanted = info_nce(first, second, 0.1)
    torch.testing.assert_close(model(inputs, SAMPLES, mode="loss")["loss_selfcl"], wanted)


def test_cgra_needs_features_before_pooling() -> None:
    with pytest.raises(UserError, match="FeatureAdapter has no features before pooling, which"):
        AVCL(
            modalities=("audio", "video"),
            num_classes=CLASSES,
            embedding_dim=5,
            cgra={},
            audio_encoder=dict(type="FeatureAdapter", in_features=4, out_features=5),
            video_encoder=dict(type="FeatureAdapter", in_features=4, out_features=5),
        )


# --- the stages


def composed(stage: str, variant: str, modality: str = "AV", **overrides: Any) -> Any:
    plan = load_plan("smoke")
    plan = plan.model_copy(update={"overrides": plan.overrides | overrides})
    return Run(plan, stage, variant, 0, modality).config().model


def test_what_the_stages_of_each_variant_have() -> None:
    def parts(stage: str, variant: str, modality: str = "AV") -> tuple[bool, ...]:
        model = composed(stage, variant, modality)
        kinds = model.cgra, model.selfcl, model.cls_head, model.data_preprocessor.two_views
        return tuple(map(bool, kinds))

    assert parts("pretrain", "avcl") == (True, True, False, True)
    assert parts("finetune", "avcl") == (True, False, True, False)
    assert parts("finetune", "avcl", "A") == (False, False, True, False)
    assert parts("pretrain", "avcl_no_cgra") == (False, True, False, True)
    assert parts("finetune", "avcl_no_cgra") == (False, False, True, False)
    assert parts("pretrain", "avcl_no_selfcl") == (True, False, False, False)
    assert composed("finetune", "avcl_no_amfm").amfm == "concatenation"


def test_fine_tuning_starts_from_what_pre_training_trained(tmp_path: Path) -> None:
    for variant, modality, wanted in (
        ("avcl", "AV", {"encoders.audio", "encoders.video", "fusion", "cgra"}),
        ("avcl_no_selfcl", "AV", {"encoders.audio", "encoders.video", "cgra"}),
        ("avcl", "A", {"encoders.audio"}),
    ):
        source = MODELS.build(_without_clips(composed("pretrain", variant)))
        torch.save(source.state_dict(), tmp_path / "weights.pth")
        config = _without_clips(composed("finetune", variant, modality))
        config.init_cfg.checkpoint = str(tmp_path / "weights.pth")
        model = MODELS.build(config)
        model.init_weights()
        trained = source.state_dict()
        same = {
            name
            for name, value in model.state_dict().items()
            if name in trained and torch.equal(value, trained[name])
        }
        learned = {name for name, _ in model.named_parameters()} & same
        assert {p for p in wanted if any(n.startswith(p) for n in learned)} == wanted
        assert all(n.startswith(tuple(wanted)) for n in learned - {"cgra.weight"})


def _without_clips(config: Any) -> Any:
    config.pop("data_preprocessor")
    return config


def test_no_loss_and_stored_features_are_refused() -> None:
    none = {"method.selfcl_weight": 0.0, "method.cgra_weight": 0.0}
    with pytest.raises(UserError, match="pretrain of avcl: no loss is left to train with; set"):
        composed("pretrain", "avcl", **none)
    frozen = load_plan("vggsound-frozen")
    with pytest.raises(UserError, match="avcl contrasts two views of a clip and aligns features"):
        Run(frozen, "pretrain", "avcl", 0).config()


def test_it_composes_and_is_built_at_the_scale_of_the_paper() -> None:
    run = Run(load_plan("vggsound"), "pretrain", "avcl", 0)
    assert run.settings.schedule.stages["pretrain"].epochs == 40
    config = _without_clips(run.config().model)
    for encoder in (config.audio_encoder, config.video_encoder):
        encoder.init = "scratch"
    with torch.device("meta"):
        model = MODELS.build(config)
        inputs = {"audio": torch.empty(2, 1, 1024, 128), "video": torch.empty(2, 1, 3, 224, 224)}
        found = model.locations(inputs)
        assert model.cgra(found["audio"], found["video"]).shape == ()
        assert model.embed(inputs).shape == (2, 768)
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "audio": (2, 8 * 64, 768),
        "video": (2, 14 * 14, 768),
    }
