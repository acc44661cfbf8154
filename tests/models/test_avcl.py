"""The AVCL network: its modules, each removed, and its losses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mmaction.structures import ActionDataSample
from mmengine.registry import init_default_scope
from torch import nn
from torch.nn import functional as F

from diccae import registry  # noqa: F401
from diccae.errors import UserError
from diccae.functional.contrastive import info_nce
from diccae.models.encoders import ConvEncoder
from diccae.models.systems.avcl import AVCL
from diccae.models.systems.avcl_fusion import AttentionFusion
from diccae.models.vit import AudioViT, VideoViT

BATCH, CLASSES = 4, 3
SELFCL = {"temperature": 0.1}


@pytest.fixture(autouse=True)
def _scope() -> None:
    init_default_scope("mmaction")


def maps(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def test_fusion_is_the_weighted_sum_of_the_projected_features() -> None:
    fusion = AttentionFusion({"audio": 5, "video": 3}, 4).double()
    features = {"audio": maps(2, 5), "video": maps(2, 3)}
    projected = [fusion.projections[name](value) for name, value in features.items()]
    scores = [each.tanh() @ fusion.score.weight[0] for each in projected]
    shares = [score.exp() / (scores[0].exp() + scores[1].exp()) for score in scores]
    torch.testing.assert_close(shares[0] + shares[1], torch.ones(2, dtype=torch.float64))
    wanted = shares[0][:, None] * projected[0] + shares[1][:, None] * projected[1]
    torch.testing.assert_close(fusion(features), wanted)


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
        selfcl=SELFCL | {"head": True} if stage == "pretrain" else None,
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
    # with two equal views, the mean over the views is that of one
    inputs = batch() | {f"second_{name}": batch()[name] for name in ("audio", "video")}
    losses = whole(inputs, SAMPLES, mode="loss")
    for name, smaller in (("selfcl", without_cgra), ("cgra", without_selfcl)):
        own = {f"loss_{name}": losses[f"loss_{name}"]}
        torch.testing.assert_close(smaller(inputs, SAMPLES, mode="loss"), own)
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
