"""Numbers of the released code of CAV-MAE, and ours for the same weights and inputs.

    python benchmarks/released_fixtures.py CHECKOUT tests/fixtures/cav_mae.json   # theirs, written
    python benchmarks/released_fixtures.py --check tests/fixtures/cav_mae.json    # ours, compared

CHECKOUT is a clone of the released repository. Weights and inputs follow a rule (`values`), so that
only numbers are stored: of `full`, the published shape (ViT-B, 1024 x 128 log-mels, a frame of 224
x 224), and of `short`, the same width with fewer blocks and tokens, which the tests compare.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import types
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

import diccae.registry  # noqa: F401
from diccae.functional.masking import masks_of_noise
from diccae.models.released_cav_mae import mapped_weights, released_name
from diccae.models.systems.cav_mae import CavMae, CavMaePretraining

CLIPS, CLASSES, STORED = 3, 309, 8
MODES = {"multimodal": ("audio", "video"), "audioonly": ("audio",), "videoonly": ("video",)}
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Shape:
    """Time steps of the log-mels, side of the frame, own blocks of a modality, decoder blocks."""

    frames: int
    side: int
    depth: int
    decoder_depth: int


SHAPES = {"short": Shape(192, 64, 2, 2), "full": Shape(1024, 224, 11, 8)}


def values(name: str, shape: tuple[int, ...]) -> Tensor:
    """The rule: uniform numbers of a NumPy generator that the name seeds.

    Norms are scaled around 1, biases and vectors have a standard deviation of 0.1, matrices that of
    the root of 1 over their inputs, and inputs and noise are uniform in [0, 1].
    """
    draws = np.random.default_rng(zlib.crc32(name.encode())).random(shape, dtype=np.float32)
    uniform = torch.from_numpy(draws)
    if name.startswith("input"):
        return uniform
    scaled = (uniform - 0.5) * math.sqrt(12)
    inputs = math.prod(shape[1:])
    if name.endswith("weight") and inputs > 1:
        return scaled / math.sqrt(inputs)
    return 1 + 0.1 * scaled if "norm" in name and name.endswith("weight") else 0.1 * scaled


def stored(numbers: Tensor) -> list[float]:
    """Numbers at places spread over a tensor, in float64."""
    flat = numbers.detach().double().flatten()
    places = torch.linspace(0, len(flat) - 1, min(STORED, len(flat))).round().long()
    return flat[places].tolist()


@contextmanager
def captured(heads: dict[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """The outputs of modules during a forward pass."""
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        return lambda module, args, output: outputs.__setitem__(name, output)

    handles = [module.register_forward_hook(keep(name)) for name, module in heads.items()]
    yield outputs
    for handle in handles:
        handle.remove()


def inputs_of(shape: Shape) -> dict[str, Tensor]:
    """Log-mels (B, T, 128) and frames (B, 3, H, W)."""
    return {
        "audio": values("input_audio", (CLIPS, shape.frames, 128)),
        "video": values("input_video", (CLIPS, 3, shape.side, shape.side)),
    }


def noise_of(shape: Shape) -> dict[str, Tensor]:
    """Noise (B, N) that the masks are drawn from."""
    counts = {"audio": shape.frames // 16 * 8, "video": (shape.side // 16) ** 2}
    return {name: values(f"input_noise_{name}", (CLIPS, count)) for name, count in counts.items()}


def released_numbers(checkout: Path, shape: Shape) -> dict[str, Any]:
    """What the released code gives, in float64."""
    models = released_models(checkout)
    clips = {name: value.double() for name, value in inputs_of(shape).items()}
    size = dict(img_size=shape.side, audio_length=shape.frames)
    numbers: dict[str, Any] = {}
    model = with_values(models.CAVMAE(**size, norm_pix_loss=True), shape)
    for normalised in (True, False):
        model.norm_pix_loss = normalised
        noise = [value.double() for value in noise_of(shape).values()]
        with (
            patch("torch.rand", side_effect=noise),
            captured({"audio": model.decoder_pred_a, "video": model.decoder_pred_v}) as predicted,
        ):
            _, _, audio, video, contrast, *_ = model(clips["audio"], clips["video"])
        numbers["normalised" if normalised else "raw"] = [float(audio), float(video)]
    numbers["contrast"] = [float(contrast)]
    numbers |= {f"predicted_{name}": stored(value) for name, value in predicted.items()}
    model = with_values(models.CAVMAEFT(CLASSES, **size), shape)
    for mode in MODES:
        numbers[mode] = stored(model(clips["audio"], clips["video"], mode))
    return numbers


def released_layout(checkout: Path, shape: Shape) -> dict[str, dict[str, list[int]]]:
    """Names and shapes of the weights after pre-training; of those after fine-tuning, what the
    former lacks."""
    models = released_models(checkout)
    size = dict(img_size=shape.side, audio_length=shape.frames)
    first, second = (
        {name: list(value.shape) for name, value in with_values(model, shape).state_dict().items()}
        for model in (models.CAVMAE(**size), models.CAVMAEFT(CLASSES, **size))
    )
    more = {name: size for name, size in second.items() if name not in first}
    return {"pretraining": first, "finetuning": more}


def released_models(checkout: Path) -> types.ModuleType:
    """The module of the released models, with stand-ins for what newer packages lack."""
    source = checkout / "src"
    if not (source / "models" / "cav_mae.py").is_file():
        raise SystemExit(f"{checkout}: no src/models/cav_mae.py; wanted a clone of CAV-MAE")
    if str(source) not in sys.path:
        sys.path.insert(0, str(source))
    np.float = float  # type: ignore[attr-defined]
    import models.cav_mae as module  # type: ignore[import-not-found]
    from timm.models.vision_transformer import Attention

    # qk_scale is None everywhere
    module.Attention = lambda dim, qk_scale, **options: Attention(dim, **options)
    return module


def with_values(model: nn.Module, shape: Shape) -> nn.Module:
    """The model in float64 with the blocks of the shape and weights by the rule; the fixed
    positions stay."""
    for name, depth in (
        ("blocks_a", shape.depth),
        ("blocks_v", shape.depth),
        ("decoder_blocks", shape.decoder_depth),
    ):
        # fine-tuning has no decoder
        if hasattr(model, name):
            setattr(model, name, getattr(model, name)[:depth])
    for name, parameter in model.named_parameters():
        if "pos_embed" not in name:
            parameter.data = values(name, tuple(parameter.shape))
    return model.double().eval()


def our_numbers(shape: Shape) -> dict[str, Any]:
    """The same numbers of our networks, in float32."""
    clips = inputs_of(shape)
    inputs = {"audio": clips["audio"][:, None], "video": clips["video"][:, None]}
    numbers: dict[str, Any] = {}
    decoder = dict(width=512, depth=shape.decoder_depth, heads=16)
    pretraining = CavMaePretraining(
        **network(shape, ("audio", "video")),
        mask_ratio=0.75,
        norm_pixels=True,
        reconstruction_weight=1.0,
        decoder=decoder,
        contrast=dict(type="InfoNCELoss", temperature=0.05, contrast="one_way", loss_weight=0.01),
    )
    load_values(pretraining)
    masks = {
        name: masks_of_noise(noise, pretraining.visible[name])
        for name, noise in noise_of(shape).items()
    }
    assert pretraining.decoder is not None
    for normalised in (True, False):
        pretraining.norm_pixels = normalised
        with captured(dict(pretraining.decoder.heads.items())) as predicted:
            losses = pretraining.loss(inputs, [], masks)
        numbers["normalised" if normalised else "raw"] = [
            float(losses[f"loss_reconstruction_{name}"].detach()) for name in ("audio", "video")
        ]
    numbers["contrast"] = [float(losses["loss_contrast"].detach())]
    numbers |= {f"predicted_{name}": stored(value) for name, value in predicted.items()}
    for mode, modalities in MODES.items():
        model = CavMae(**network(shape, modalities))
        load_values(model)
        with torch.no_grad():
            numbers[mode] = stored(model({name: inputs[name] for name in modalities}))
    return numbers


def network(shape: Shape, modalities: tuple[str, ...]) -> dict[str, Any]:
    """The options of our networks at this shape."""
    common = dict(width=768, depth=shape.depth, heads=12, eps=1e-5)
    frame = dict(size=(1, shape.side, shape.side), patch=(1, 16, 16), channels=3)
    encoders = {
        "audio": dict(type="AudioTokens", size=(shape.frames, 128), patch=(16, 16), **common),
        "video": dict(type="VideoTokens", **frame, **common),
    }
    return dict(
        modalities=modalities,
        num_classes=CLASSES,
        joint_depth=1,
        **{f"{name}_encoder": encoders[name] for name in modalities},
    )


def load_values(model: nn.Module) -> None:
    """Weights by the rule, under their released names and shapes."""
    state = {}
    for name, own in model.state_dict().items():
        shape, released = tuple(own.shape), released_name(name)
        if released.startswith("patch_embed") and len(shape) == 2:
            shape = (shape[0], shape[1] // 256, 16, 16)
        state[released] = own if "pos_embed" in released else values(released, shape)
    # both layouts have it
    state.setdefault("modality_a", torch.zeros(1, 1, 768))
    model.load_state_dict(mapped_weights(model, state, "the rule"))


def largest_difference(ours: dict[str, Any], theirs: dict[str, Any]) -> float:
    """The largest difference of any number, relative to the largest number of its list."""
    return max(
        float(np.abs(np.subtract(ours[name], wanted)).max() / np.abs(wanted).max())
        for name, wanted in theirs.items()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout", type=Path, nargs="?", help="clone of the released code")
    parser.add_argument("file", type=Path, help="the stored numbers")
    parser.add_argument("--check", action="store_true", help="compare ours with the file")
    arguments = parser.parse_args()
    if arguments.check:
        content = json.loads(arguments.file.read_text())
        worst = {
            name: largest_difference(our_numbers(shape), content[name])
            for name, shape in SHAPES.items()
        }
        for name, difference in worst.items():
            print(f"{name}: largest relative difference {difference:.1e}, wanted {TOLERANCE}")
        raise SystemExit(any(difference > TOLERANCE for difference in worst.values()))
    if arguments.checkout is None:
        parser.error("wanted CHECKOUT FILE, or --check FILE")
    with torch.no_grad():
        content = {
            name: released_numbers(arguments.checkout, shape) for name, shape in SHAPES.items()
        }
    content["layout"] = released_layout(arguments.checkout, SHAPES["short"])
    arguments.file.write_text(json.dumps(content) + "\n")


if __name__ == "__main__":
    main()
