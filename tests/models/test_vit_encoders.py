"""ViT encoders in training and evaluation: gradients, determinism, autocast, compilation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mmaction.registry import MODELS
from torch import nn

from diccae import registry  # noqa: F401
from diccae.models.vit import VideoViT

ENCODERS = [
    pytest.param(
        dict(type="AudioViT", model="test_vit", fbank_frames=96, n_mels=64),
        (3, 1, 96, 64),
        id="audio",
    ),
    pytest.param(
        dict(type="VideoViT", model="test_vit", num_frames=4, frame_size=32),
        (3, 12, 32, 32),
        id="video",
    ),
]


@pytest.mark.parametrize(("config", "shape"), ENCODERS)
def test_gradient_reaches_every_weight(config: dict[str, Any], shape: tuple[int, ...]) -> None:
    encoder = MODELS.build(config)
    features = encoder(torch.randn(shape))
    assert features.shape == (3, encoder.out_features)
    features.square().sum().backward()
    for name, weight in encoder.named_parameters():
        assert weight.grad is not None, name
        assert bool(weight.grad.isfinite().all()), name
        assert float(weight.grad.abs().sum()) > 0, name


@pytest.mark.parametrize(("config", "shape"), ENCODERS)
def test_evaluation_is_deterministic_and_clip_by_clip(
    config: dict[str, Any], shape: tuple[int, ...]
) -> None:
    encoder, inputs = MODELS.build(config).eval(), torch.randn(shape)
    with torch.no_grad():
        features = encoder(inputs)
        assert torch.equal(features, encoder(inputs))
        torch.testing.assert_close(encoder(inputs[1:2]), features[1:2], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(
            encoder(inputs.contiguous(memory_format=torch.channels_last)),
            features,
            rtol=1e-4,
            atol=1e-5,
        )


def test_video_feature_is_the_mean_over_frames_in_any_order() -> None:
    encoder, inputs = VideoViT("test_vit", 4, 32).eval(), torch.randn(2, 4, 3, 32, 32)
    with torch.no_grad():
        features = encoder(inputs.flatten(1, 2))
        by_frame = torch.stack([encoder.vit(inputs[:, index]) for index in range(4)]).mean(0)
        torch.testing.assert_close(features, by_frame, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(
            encoder(inputs.flip(1).flatten(1, 2)), features, rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize(("config", "shape"), ENCODERS)
def test_bfloat16_autocast_stays_near_float32(
    config: dict[str, Any], shape: tuple[int, ...]
) -> None:
    encoder, inputs = MODELS.build(config), torch.randn(shape)
    exact = encoder(inputs)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = encoder(inputs)
    rounded.float().square().sum().backward()
    assert float((rounded.float() - exact).detach().norm() / exact.detach().norm()) < 0.03
    assert all(
        weight.grad is not None and weight.grad.dtype == torch.float32
        for weight in encoder.parameters()
    )


@pytest.mark.parametrize(("config", "shape"), ENCODERS)
def test_compiles_to_one_graph(config: dict[str, Any], shape: tuple[int, ...]) -> None:
    encoder, inputs = MODELS.build(config), torch.randn(shape)
    del encoder.vit.blocks[1:]  # every block is traced anew, and they are alike
    compiled = torch.compile(encoder, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(inputs), encoder(inputs), rtol=1e-4, atol=1e-5)


def test_the_recogniser_takes_both_encoders() -> None:
    audio, video = ENCODERS[0].values[0], ENCODERS[1].values[0]
    model: nn.Module = MODELS.build(
        dict(
            type="DICCAE",
            modalities=("audio", "video"),
            num_classes=3,
            embedding_dim=8,
            audio_encoder=audio,
            video_encoder=video,
        )
    ).eval()
    inputs = {"audio": torch.randn(2, 1, 96, 64), "video": torch.randn(2, 3, 12, 32, 32)}
    with torch.no_grad():
        assert model(inputs).shape == (2, 3)
        assert model.joint_features(inputs).shape == (2, 128)
