"""ViT encoders: shapes, weights of ImageNet and CAV-MAE, and errors of files that do not fit."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from mmaction.registry import MODELS
from safetensors.torch import save_file
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor, nn

from diccae import registry  # noqa: F401
from diccae.errors import UserError
from diccae.models.av_preprocessor import AVPreprocessor
from diccae.models.vit import AudioViT, VideoViT

# model -> width, heads, hidden width of the MLP, blocks of a modality; there is one joint block
TINY = {"test_vit": (64, 2, 192, 5), "vit_tiny_patch16_224": (192, 3, 768, 11)}
ATTENTION = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
NORMS = ("norm1", "norm1_a", "norm1_v", "norm2", "norm2_a", "norm2_v")


def cav_mae(model: str = "test_vit", seed: int = 0) -> dict[str, Tensor]:
    """A random state dict with the keys of a CAV-MAE checkpoint, at a smaller width."""
    width, _, hidden, depth = TINY[model]
    decoder = 16
    shapes: dict[str, tuple[int, ...]] = {
        "modality_a": (1, 1, width),
        "modality_v": (1, 1, width),
        "pos_embed_a": (1, 512, width),
        "pos_embed_v": (1, 196, width),
        "mask_token": (1, 1, decoder),
        "decoder_modality_a": (1, 1, decoder),
        "decoder_modality_v": (1, 1, decoder),
        "decoder_pos_embed_a": (1, 512, decoder),
        "decoder_pos_embed_v": (1, 196, decoder),
        "patch_embed_a.proj.weight": (width, 1, 16, 16),
        "patch_embed_a.proj.bias": (width,),
        "patch_embed_v.proj.weight": (width, 3, 16, 16),
        "patch_embed_v.proj.bias": (width,),
    }

    def block(name: str, size: int, inner: int) -> None:
        outer = {
            "attn.qkv": (3 * size, size),
            "attn.proj": (size, size),
            "mlp.fc1": (inner, size),
            "mlp.fc2": (size, inner),
        }
        for layer in ATTENTION:
            shapes[f"{name}.{layer}.weight"], shapes[f"{name}.{layer}.bias"] = (
                outer[layer],
                outer[layer][:1],
            )
        for layer in NORMS:
            shapes[f"{name}.{layer}.weight"] = shapes[f"{name}.{layer}.bias"] = (size,)

    for index in range(depth):
        block(f"blocks_a.{index}", width, hidden)
        block(f"blocks_v.{index}", width, hidden)
    block("blocks_u.0", width, hidden)
    block("decoder_blocks.0", decoder, 4 * decoder)
    for name in ("norm_a", "norm_v", "norm"):
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (width,)
    for name, size in (
        ("decoder_embed", (decoder, width)),
        ("decoder_pred_a", (256, decoder)),
        ("decoder_pred_v", (768, decoder)),
    ):
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = size, size[:1]
    shapes["decoder_norm.weight"] = shapes["decoder_norm.bias"] = (decoder,)

    generator = torch.Generator().manual_seed(seed)
    state = {}
    for key, shape in shapes.items():
        value = torch.randn(shape, generator=generator) / math.sqrt(math.prod(shape[1:]) or 1)
        state[f"module.{key}"] = value + 1 if "norm" in key and key.endswith("weight") else value
    return state


def saved(state: Any, path: Path) -> str:
    torch.save(state, path)
    return str(path)


def unimodal_forward(
    state: dict[str, Tensor], model: str, modality: str, picture: Tensor
) -> Tensor:
    """CAV-MAE's encoding of one modality, by patch and head: (channels, H, W) -> (D,), float64."""
    width, heads, _, depth = TINY[model]
    weight = {key.removeprefix("module."): value.double() for key, value in state.items()}

    def linear(tokens: Tensor, name: str) -> Tensor:
        return tokens @ weight[f"{name}.weight"].T + weight[f"{name}.bias"]

    def norm(tokens: Tensor, name: str) -> Tensor:
        centred = tokens - tokens.mean(1, keepdim=True)
        scaled = centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()
        return scaled * weight[f"{name}.weight"] + weight[f"{name}.bias"]

    def block(tokens: Tensor, name: str, suffix: str) -> Tensor:
        query, key, value = linear(norm(tokens, f"{name}.norm1{suffix}"), f"{name}.attn.qkv").split(
            width, dim=1
        )
        size = width // heads
        mixed = []
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            mixed.append(
                (query[:, part] @ key[:, part].T / math.sqrt(size)).softmax(1) @ value[:, part]
            )
        tokens = tokens + linear(torch.cat(mixed, 1), f"{name}.attn.proj")
        inner = linear(norm(tokens, f"{name}.norm2{suffix}"), f"{name}.mlp.fc1")
        gelu = inner * (1 + torch.erf(inner / math.sqrt(2))) / 2
        return tokens + linear(gelu, f"{name}.mlp.fc2")

    kernel, bias = (
        weight[f"patch_embed_{modality}.proj.weight"],
        weight[f"patch_embed_{modality}.proj.bias"],
    )
    rows, columns = picture.shape[1] // 16, picture.shape[2] // 16
    tokens = torch.stack(
        [
            (kernel * picture[:, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16]).sum(
                (1, 2, 3)
            )
            + bias
            for row in range(rows)
            for column in range(columns)
        ]
    )
    tokens = tokens + weight[f"pos_embed_{modality}"][0] + weight[f"modality_{modality}"][0]
    for index in range(depth):
        tokens = block(tokens, f"blocks_{modality}.{index}", "")
    tokens = block(tokens, "blocks_u.0", f"_{modality}")
    return norm(tokens, f"norm_{modality}").mean(0)


@pytest.mark.parametrize("model", TINY)
def test_audio_from_cav_mae_gives_its_audio_forward(tmp_path: Path, model: str) -> None:
    state = cav_mae(model)
    encoder = AudioViT(model, init=saved(state, tmp_path / "cav.pth")).eval()
    fbank = torch.randn(1, 1, 1024, 128)
    with torch.no_grad():
        feature = encoder(fbank)
    # CAV-MAE turns the spectrogram: mels are rows
    torch.testing.assert_close(
        feature[0].double(),
        unimodal_forward(state, model, "a", fbank[0].mT.double()),
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.parametrize("model", TINY)
def test_video_from_cav_mae_gives_the_mean_of_its_video_forward(tmp_path: Path, model: str) -> None:
    state = cav_mae(model)
    encoder = VideoViT(model, num_frames=2, init=saved(state, tmp_path / "cav.pth")).eval()
    clip = torch.randint(0, 256, (1, 2, 3, 224, 224), dtype=torch.uint8)
    with torch.no_grad():
        feature = encoder(preprocessed(tmp_path, clip)[0])
    pixels = clip[0].double() / 255
    pixels = (pixels - columns(IMAGENET_DEFAULT_MEAN)) / columns(IMAGENET_DEFAULT_STD)
    expected = torch.stack([unimodal_forward(state, model, "v", frame) for frame in pixels]).mean(0)
    torch.testing.assert_close(feature[0].double(), expected, rtol=1e-4, atol=1e-4)


def columns(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None, None]


def preprocessed(folder: Path, clip: Tensor) -> Tensor:
    """What the recogniser is given of one clip (V, T, 3, H, W) of uint8 frames."""
    meta = folder / "meta.json"
    meta.write_text(json.dumps({"fbank_mean": 0.0, "fbank_std": 1.0}))
    preprocessor = AVPreprocessor(str(meta), {"freq_mask": 0, "time_mask": 0})
    return preprocessor({"inputs": {"video": [clip]}})["inputs"]["video"]


def test_every_weight_of_the_file_is_counted(tmp_path: Path) -> None:
    state = cav_mae()
    path = saved(state, tmp_path / "cav.pth")
    names = {key.removeprefix("module.") for key in state}
    for encoder, own, other in (
        (AudioViT("test_vit", init=path), "a", "v"),
        (VideoViT("test_vit", init=path), "v", "a"),
    ):
        loaded = encoder.loaded
        assert loaded is not None
        assert loaded.source == path
        assert set(loaded.used) | set(loaded.unused) == names
        assert not set(loaded.used) & set(loaded.unused)
        assert f"modality_{own}" in loaded.used
        assert f"blocks_u.0.norm1_{own}.weight" in loaded.used
        # the model's own weights, and the modality's vector, which went into the positions
        assert len(loaded.used) == len(encoder.vit.state_dict()) + 1
        for unused in (
            f"modality_{other}",
            f"blocks_u.0.norm1_{other}.weight",
            "blocks_u.0.norm1.weight",
            f"blocks_{own}.0.norm1_a.weight",
            "norm.weight",
            "mask_token",
        ):
            assert unused in loaded.unused
    assert (
        f"{path}: {len(loaded.used)} of {len(names)} weights used; unused: blocks_a 100, "
        "blocks_u 8, blocks_v 40, " in str(loaded)
    )
    assert AudioViT("test_vit").loaded is None


def test_fine_tuned_cav_mae_without_decoder_is_read_too(tmp_path: Path) -> None:
    state = {
        key: value for key, value in cav_mae().items() if "decoder" not in key and "mask" not in key
    }
    state["module.mlp_head.1.weight"] = torch.zeros(309, 64)
    loaded = AudioViT("test_vit", init=saved(state, tmp_path / "ft.pth")).loaded
    assert "mlp_head.1.weight" in loaded.unused


def test_positions_are_interpolated_over_time_and_mels(tmp_path: Path) -> None:
    state = cav_mae()
    state["module.modality_a"] = torch.full((1, 1, 64), 5.0)
    grid = torch.zeros(8, 64, 64)
    grid[..., 0] = torch.arange(8.0)[:, None] ** 2  # differs from mel to mel
    grid[..., 1] = torch.arange(64.0)  # from frame to frame
    state["module.pos_embed_a"] = grid.reshape(1, 512, 64)
    path = saved(state, tmp_path / "cav.pth")

    same = AudioViT("test_vit", init=path).vit.pos_embed
    torch.testing.assert_close(same, grid.reshape(1, 512, 64) + 5)

    shorter = AudioViT("test_vit", fbank_frames=512, init=path).vit.pos_embed.reshape(8, 32, 64)
    torch.testing.assert_close(shorter[..., 0], grid[:, :32, 0] + 5)
    assert bool((shorter[..., 1].diff(dim=1) > 0).all())
    assert float(shorter[0, 0, 1].detach()) == pytest.approx(5.5, abs=0.2)
    assert float(shorter[0, -1, 1].detach()) == pytest.approx(67.5, abs=0.2)
    torch.testing.assert_close(shorter[0, 10:20, 1], torch.arange(10.0, 20.0) * 2 + 0.5 + 5)
    torch.testing.assert_close(shorter[..., 2], torch.full((8, 32), 5.0))

    fewer = AudioViT("test_vit", n_mels=64, init=path).vit.pos_embed.reshape(4, 64, 64)
    torch.testing.assert_close(fewer[..., 1], grid[:4, :, 1] + 5)


@pytest.mark.parametrize("no_embed_class", [False, True])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_imagenet_weights_from_a_file(tmp_path: Path, no_embed_class: bool, suffix: str) -> None:
    torch.manual_seed(0)
    original = timm.create_model(
        "test_vit", dynamic_img_size=False, no_embed_class=no_embed_class
    ).eval()
    path = str(tmp_path / f"vit.{suffix}")
    if suffix == "pth":
        torch.save(original.state_dict(), path)
    else:
        save_file(original.state_dict(), path)

    video = VideoViT(
        "test_vit", num_frames=1, frame_size=160, init="imagenet", pretrained_file=path
    ).eval()
    positions = original.pos_embed if no_embed_class else original.pos_embed[:, 1:]
    torch.testing.assert_close(video.vit.pos_embed, positions)
    assert set(video.loaded.unused) == {"cls_token", "head.weight", "head.bias"}
    clip = torch.randint(0, 256, (1, 1, 3, 160, 160), dtype=torch.uint8)
    pixels = (clip[0] / 255 - columns(original.pretrained_cfg["mean"])) / columns(
        original.pretrained_cfg["std"]
    )
    with torch.no_grad():
        tokens = original.norm(original.blocks(original.patch_embed(pixels.float()) + positions))
        torch.testing.assert_close(
            video(preprocessed(tmp_path, clip)[0]), tokens.mean(1), rtol=1e-4, atol=1e-4
        )

    audio = AudioViT("test_vit", 160, 160, init="imagenet", pretrained_file=path).eval()
    fbank = torch.randn(2, 1, 160, 160)
    with torch.no_grad():
        tokens = original.norm(
            original.blocks(original.patch_embed(fbank.mT.expand(-1, 3, -1, -1)) + positions)
        )
        torch.testing.assert_close(audio(fbank), tokens.mean(1), rtol=1e-4, atol=1e-4)


def test_imagenet_without_network_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        UserError,
        match=r"imagenet: the weights of test_vit cannot be downloaded \(.+\); .*pretrained_file",
    ):
        AudioViT("test_vit", init="imagenet")


def without(key: str) -> dict[str, Tensor]:
    state = cav_mae()
    del state[f"module.{key}"]
    return state


def reshaped(key: str, *shape: int) -> dict[str, Tensor]:
    return {**cav_mae(), f"module.{key}": torch.zeros(shape)}


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (
            without("blocks_a.3.mlp.fc1.bias"),
            "lacks 1 of the 78 weights .*, blocks_a.3.mlp.fc1.bias first",
        ),
        (
            without("blocks_u.0.norm2_a.weight"),
            "lacks 1 of the 78 weights .*, blocks_u.0.norm2_a.weight first",
        ),
        (without("modality_a"), "modality_a first"),
        ({"a.weight": torch.zeros(1)}, "lacks 78 of the 78 weights .*, pos_embed_a first"),
        ({}, "lacks 78 of the 78"),
        (cav_mae("vit_tiny_patch16_224"), "has 11 blocks_a and 1 blocks_u, wanted 6 together"),
        (
            reshaped("blocks_a.0.attn.qkv.weight", 192, 32),
            r"qkv.weight has shape \(192, 32\), wanted \(192, 64\)",
        ),
        (
            reshaped("patch_embed_a.proj.weight", 64, 3, 16, 16),
            r"proj.weight has shape .*, wanted \(64, 1, 16, 16\)",
        ),
        (reshaped("modality_a", 1, 64), r"modality_a has shape \(1, 64\), wanted \(1, 1, 64\)"),
        (reshaped("pos_embed_a", 1, 512, 32), r"pos_embed_a has shape .*, wanted \(1, 512, 64\)"),
        (reshaped("pos_embed_a", 1, 511, 64), "pos_embed_a has 511 positions, which form no grid"),
        ({**cav_mae(), "epoch": 3}, "epoch is no tensor"),
        ([torch.zeros(1)], "cannot be read as a state dict"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "state",
)
def test_a_cav_mae_file_that_does_not_fit(tmp_path: Path, state: Any, words: str) -> None:
    path = saved(state, tmp_path / "wrong.pth")
    with pytest.raises(UserError, match=words) as caught:
        AudioViT("test_vit", init=path)
    assert str(caught.value).startswith(f"{path}: ")


def test_video_positions_must_be_square(tmp_path: Path) -> None:
    path = saved(reshaped("pos_embed_v", 1, 195, 64), tmp_path / "wrong.pth")
    with pytest.raises(UserError, match="pos_embed_v has 195 positions, which form no grid"):
        VideoViT("test_vit", init=path)


def test_imagenet_file_that_does_not_fit(tmp_path: Path) -> None:
    path = saved(cav_mae(), tmp_path / "cav.pth")
    with pytest.raises(
        UserError,
        match="cav.pth: lacks 75 of the 77 weights that the encoder needs, pos_embed first",
    ):
        AudioViT("test_vit", init="imagenet", pretrained_file=path)
    state = timm.create_model("test_vit").state_dict()
    state["pos_embed"] = state["pos_embed"][:, :98]
    with pytest.raises(UserError, match="pos_embed has 98 positions, which form no grid"):
        VideoViT("test_vit", init="imagenet", pretrained_file=saved(state, tmp_path / "vit.pth"))


def test_files_that_are_absent_or_broken(tmp_path: Path) -> None:
    absent, broken = tmp_path / "absent.pth", tmp_path / "broken.pth"
    broken.write_bytes(b"<html>not found</html>")
    with pytest.raises(
        UserError,
        match=r"init: wanted scratch, imagenet or the path of .*, got '.*absent.pth'",
    ):
        AudioViT("test_vit", init=str(absent))
    with pytest.raises(
        UserError, match=r"pretrained_file: wanted a file of timm weights, got '.*absent.pth'"
    ):
        AudioViT("test_vit", init="imagenet", pretrained_file=str(absent))
    with pytest.raises(
        UserError,
        match=r"broken.pth: cannot be read as a state dict \(.+\); download the file again",
    ):
        AudioViT("test_vit", init=str(broken))
    with pytest.raises(UserError, match="is read with init imagenet only, got init 'scratch'"):
        AudioViT("test_vit", pretrained_file=str(absent))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"model": "vit_nothing"}, "timm cannot build a ViT named 'vit_nothing'"),
        ({"model": "resnet18"}, "timm cannot build a ViT named 'resnet18'"),
        ({"model": "vit_tiny_r_s16_p8_224"}, "vit_tiny_r_s16_p8_224 is not a plain ViT"),
        (
            {"model": "test_vit", "fbank_frames": 1000},
            "test_vit: input of 128 x 1000 does not divide into patches of 16 x 16",
        ),
    ],
)
def test_models_and_sizes_that_do_not_fit(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        AudioViT(**arguments)


def test_inputs_of_another_size_are_named() -> None:
    with pytest.raises(
        UserError, match=r"AudioViT: wanted inputs of shape \(B, 1, 96, 64\), got \(2, 1, 64, 96\)"
    ):
        AudioViT("test_vit", 96, 64)(torch.zeros(2, 1, 64, 96))
    # six grey frames of video_input "motion" are not two of RGB
    with pytest.raises(
        UserError,
        match=r"wanted inputs of shape \(B, 18, 32, 32\), got \(2, 6, 32, 32\); it wants ",
    ):
        VideoViT("test_vit", 6, 32)(torch.zeros(2, 6, 32, 32))


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
