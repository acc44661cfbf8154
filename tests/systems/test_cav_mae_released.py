"""CAV-MAE against numbers of its released code, and checkpoints of both of its layouts."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.registry import init_default_scope
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor

from benchmarks.released_fixtures import (
    CLASSES,
    MODES,
    SHAPES,
    TOLERANCE,
    largest_difference,
    network,
    our_numbers,
)
from diccae import registry  # noqa: F401
from diccae.errors import UserError
from diccae.models.cav_mae_network import CavMaeNetwork
from diccae.models.released_cav_mae import (
    load_released,
    mapped_weights,
    released_name,
)
from diccae.models.systems.cav_mae import CavMae, CavMaePretraining
from diccae.run_graph import Run
from tests.models.vit_samples import cav_mae, saved
from tests.systems.test_cav_mae import plan

STORED = json.loads((Path(__file__).parents[1] / "fixtures" / "cav_mae.json").read_text())


@pytest.fixture(autouse=True)
def scope() -> None:
    init_default_scope("mmaction")


def test_losses_predictions_and_logits_are_those_of_the_released_code() -> None:
    # with fewer blocks and tokens; `benchmarks/released_fixtures.py --check` also compares `full`
    ours, theirs = our_numbers(SHAPES["short"]), STORED["short"]
    assert set(ours) == set(theirs)
    assert set(theirs) == set(STORED["full"])
    assert largest_difference(ours, theirs) < TOLERANCE


def layout(finetuning: bool) -> dict[str, Tensor]:
    """A state dict with the names and shapes of the released code, as DataParallel saves it; each
    weight has one value, its own."""
    shapes = dict(STORED["layout"]["pretraining"])
    if finetuning:
        shapes = {name: shape for name, shape in shapes.items() if not _of_decoder(name)}
        shapes |= STORED["layout"]["finetuning"]
    return {
        f"module.{name}": torch.tensor(float(index)).expand(shape)
        for index, (name, shape) in enumerate(shapes.items(), start=1)
    }


def _of_decoder(name: str) -> bool:
    return name.startswith("decoder_") or name == "mask_token"


@lru_cache
def of_modality(*modalities: str) -> CavMae:
    return CavMae(**network(SHAPES["short"], modalities))


@lru_cache
def pretraining() -> CavMaePretraining:
    return CavMaePretraining(
        **network(SHAPES["short"], ("audio", "video")),
        mask_ratio=0.75,
        norm_pixels=True,
        reconstruction_weight=1.0,
        decoder=dict(width=512, depth=2, heads=16),
        contrast=None,
    )


def unused_norms(stack: str, modality: str) -> set[str]:
    return {
        f"{stack}.norm{index}_{modality}.{kind}" for index in (1, 2) for kind in ("weight", "bias")
    }


def loaded_from(model: CavMaeNetwork, state: dict[str, Tensor], folder: Path) -> set[str]:
    """Names of the weights in the file that the model does not take; all others are checked."""
    loaded = load_released(model, saved(state, folder / "released.pth"))
    names = {name.removeprefix("module."): value for name, value in state.items()}
    assert set(loaded.used) | set(loaded.unused) == set(names)
    for name, value in model.state_dict().items():
        released = released_name(name)
        # rescaled to other pixels
        if released in loaded.used and not released.startswith("patch_embed_v"):
            assert (value == names[released].flatten()[0]).all(), name
    return set(loaded.unused)


def test_a_pre_training_checkpoint_loads_but_for_norms_that_no_pass_has(tmp_path: Path) -> None:
    unused = loaded_from(pretraining(), layout(finetuning=False), tmp_path)
    stacks = [f"blocks_{m}.{i}" for m in "av" for i in (0, 1)]
    stacks += [f"decoder_blocks.{index}" for index in (0, 1)]
    assert unused == {name for stack in stacks for m in "av" for name in unused_norms(stack, m)}


@pytest.mark.parametrize("modalities", MODES.values(), ids=MODES)
def test_a_fine_tuned_checkpoint_loads_in_each_modality(
    tmp_path: Path, modalities: tuple[str, ...]
) -> None:
    unused = loaded_from(of_modality(*modalities), layout(finetuning=True), tmp_path)
    wanted = set()
    for stack in ("blocks_a.0", "blocks_a.1", "blocks_v.0", "blocks_v.1"):
        wanted |= unused_norms(stack, "a") | unused_norms(stack, "v")
    passes = {"audio": "_a", "video": "_v", "joint": ""}
    which = modalities[0] if len(modalities) == 1 else "joint"
    for name in set(passes) - {which}:
        wanted |= {f"norm{passes[name]}.{kind}" for kind in ("weight", "bias")}
        wanted |= {
            f"blocks_u.0.norm{index}{passes[name]}.{kind}"
            for index in (1, 2)
            for kind in ("weight", "bias")
        }
    for name in {"audio", "video"} - set(modalities):
        wanted |= {
            key
            for key in STORED["layout"]["pretraining"]
            if key.startswith(f"blocks{passes[name]}.")
            or key.split(".")[0] in {f"{part}{passes[name]}" for part in PARTS}
        }
    assert unused == wanted


PARTS = ("modality", "pos_embed", "patch_embed")


def test_fine_tuning_from_a_pre_training_checkpoint_keeps_its_own_head(tmp_path: Path) -> None:
    model = of_modality("audio")
    before = {name: value.clone() for name, value in model.head.state_dict().items()}
    unused = loaded_from(model, layout(finetuning=False), tmp_path)
    assert "decoder_embed.weight" in unused
    for name, value in model.head.state_dict().items():
        assert torch.equal(value, before[name])


def small(modalities: tuple[str, ...] = ("audio", "video"), **options: Any) -> CavMae:
    """A network of the shape of `cav_mae`, of `test_vit` as DICCAE's encoders load it."""
    common = dict(width=64, depth=5, heads=2, mlp_ratio=3.0, eps=1e-5)
    encoders = {
        "audio": dict(type="AudioTokens", size=(1024, 128), patch=(16, 16)),
        "video": dict(type="VideoTokens", size=(1, 224, 224), patch=(1, 16, 16), channels=3),
    }
    network = dict(modalities=modalities, num_classes=CLASSES, joint_depth=1)
    network |= {f"{name}_encoder": encoders[name] | common for name in modalities}
    return CavMae(**(network | options))


def test_frames_have_the_pixels_of_the_preprocessor(tmp_path: Path) -> None:
    state, model = cav_mae(), small(("video",)).eval()
    frames = torch.rand(2, 3, 224, 224)
    mean, std = (
        torch.tensor(value)[:, None, None]
        for value in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD)
    )
    plain = {name.removeprefix("module."): value for name, value in state.items()}
    model.load_state_dict(mapped_weights(model, plain, "here"), strict=False)
    with torch.no_grad():
        wanted = model.encode({"video": ((frames - mean) / std)[:, None]})["video"]
        load_released(model, saved(state, tmp_path / "cav.pth"))
        found = model.encode({"video": ((frames - 0.5) / 0.25)[:, None]})["video"]
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_a_run_starts_from_released_weights(tmp_path: Path) -> None:
    model = small(("audio",), released_weights=saved(cav_mae(), tmp_path / "cav.pth"))
    model.init_weights()
    wanted = cav_mae()["module.blocks_u.0.norm1_a.weight"]
    torch.testing.assert_close(model.joint[0].norm1["audio"].weight.detach(), wanted)


def changed(**values: Tensor | None) -> dict[str, Tensor]:
    state = {name.removeprefix("module."): value for name, value in cav_mae().items()} | values
    return {name: value for name, value in state.items() if value is not None}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (
            {"cls_token": torch.zeros(1)},
            "wanted a CAV-MAE checkpoint, which has the weight modality_a",
        ),
        (
            changed(**{"norm_a.bias": None}),
            "checkpoint of pre-training, lacks 1 of .* norm_a.bias first",
        ),
        (
            changed(**{"blocks_a.5.attn.qkv.weight": torch.zeros(1)}),
            "more blocks than the network, blocks_a.5 first",
        ),
        (
            changed(pos_embed_a=torch.zeros(1, 500, 64)),
            r"pos_embed_a has shape \(1, 500, 64\), wanted \(1, 512, 64\)",
        ),
        (
            changed(**{"mlp_head.1.weight": torch.zeros(7, 64), "mlp_head.1.bias": torch.zeros(7)})
            | {f"mlp_head.0.{kind}": torch.zeros(64) for kind in ("weight", "bias")},
            r"mlp_head.1.weight has shape \(7, 64\), wanted \(309, 64\)",
        ),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(
    state: dict[str, Tensor], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        load_released(small(("audio",)), saved(state, tmp_path / "cav.pth"))


def test_pre_training_does_not_start_from_a_fine_tuned_checkpoint(tmp_path: Path) -> None:
    path = saved(layout(finetuning=True), tmp_path / "cav.pth")
    with pytest.raises(UserError, match="checkpoint of fine-tuning, lacks"):
        load_released(pretraining(), path)
    with pytest.raises(UserError, match="method.released_weights: wanted the path"):
        load_released(pretraining(), str(tmp_path / "none.pth"))


def test_released_weights_are_checked_when_a_run_is_composed(tmp_path: Path) -> None:
    path = tmp_path / "cav.pth"
    overrides = {"method.released_weights": str(path)}
    run = Run(plan(overrides=overrides), "pretrain", "cav_mae", 0)
    with pytest.raises(UserError, match=r"method.released_weights: wanted the path .*cav.pth"):
        run.config()
    saved({"cls_token": torch.zeros(1)}, path)
    with pytest.raises(UserError, match="wanted a CAV-MAE checkpoint"):
        run.config()
    saved(changed(**{"decoder_embed.weight": None, "mlp_head.1.weight": torch.zeros(1)}), path)
    with pytest.raises(UserError, match="which has no decoder to pre-train with"):
        run.config()
    content = bytearray(path.read_bytes())
    content[200:400] = bytes(200)
    path.write_bytes(content)
    with pytest.raises(UserError, match="cav.pth is damaged .*; download it again"):
        run.config()
    saved(cav_mae(), path)
    assert run.config().model.released_weights == str(path)
    # fine-tuning starts from what pre-training made of them
    assert Run(run.plan, "finetune", "cav_mae", 0, "A").config().model.released_weights is None
    scratch = Run(run.plan, "finetune", "cav_mae_scratch", 0, "A")
    assert scratch.config().model.released_weights == str(path)
