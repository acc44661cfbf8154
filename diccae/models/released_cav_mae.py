"""Loading checkpoints of the released code of CAV-MAE into its networks here."""

from __future__ import annotations

import re
from collections.abc import Iterable

from jaxtyping import Float
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor, nn

from diccae.errors import UserError
from diccae.models.state_dicts import PATCH_WEIGHT, read_state_dict
from diccae.models.vit_weights import PATCH_BIAS, LoadedWeights, rescale_pixels
from diccae.systems._released_cav_mae import FINETUNED, PRETRAINED, WANTED, require_layout

SUFFIX = {"audio": "_a", "video": "_v", "joint": ""}
# our name -> released name, with {m} for the modality or pass
RULES = [
    (r"encoders\.(?P<m>\w+)\.projection\.(\w+)", r"patch_embed{m}.proj.\2"),
    (r"encoders\.(?P<m>\w+)\.positions", r"pos_embed{m}"),
    (r"encoders\.(?P<m>\w+)\.blocks\.(.+)", r"blocks{m}.\2"),
    (r"vectors\.(?P<m>\w+)", r"modality{m}"),
    (r"joint\.(\d+)\.(norm[12])\.(?P<m>\w+)\.(\w+)", r"blocks_u.\1.\2{m}.\4"),
    (r"joint\.(.+)", r"blocks_u.\1"),
    (r"norms\.(?P<m>\w+)\.(\w+)", r"norm{m}.\2"),
    (r"decoder\.vectors\.(?P<m>\w+)", r"decoder_modality{m}"),
    (r"decoder\.positions\.(?P<m>\w+)", r"decoder_pos_embed{m}"),
    (r"decoder\.heads\.(?P<m>\w+)\.(\w+)", r"decoder_pred{m}.\2"),
    (r"decoder\.mask_token", r"mask_token"),
    (r"decoder\.(.+)", r"decoder_\1"),
    (r"head\.(.+)", r"mlp_head.\1"),
]


def released_name(name: str) -> str:
    """The released name of a weight of `CavMae` or `CavMaePretraining`.

    Raises:
        KeyError: the released code has no such weight.
    """
    for pattern, replacement in RULES:
        match = re.fullmatch(pattern, name)
        if match:
            suffix = SUFFIX[match["m"]] if "m" in match.groupdict() else ""
            return match.expand(replacement.replace("{m}", suffix))
    raise KeyError(name)


def mapped_weights(model: nn.Module, state: dict[str, Tensor], source: str) -> dict[str, Tensor]:
    """The weights of a released state dict by the names of our network.

    The head of a checkpoint without one, as after pre-training, stays as it is in the network.

    Args:
        model: a `CavMae` or `CavMaePretraining`.
        state: the released state dict, of either layout.
        source: its name, for errors.

    Raises:
        UserError: it is of neither layout, or does not fit the network.
    """
    require_layout(state, source)
    own = model.state_dict()
    if FINETUNED not in state:
        own = {name: value for name, value in own.items() if not name.startswith("head.")}
    names = {name: released_name(name) for name in own}
    missing = [name for name in names.values() if name not in state]
    if missing:
        layout = "pre-training" if PRETRAINED in state else "fine-tuning"
        raise UserError(
            f"{source}: a CAV-MAE checkpoint of {layout}, lacks {len(missing)} of {len(names)} "
            f"weights of the network, {missing[0]} first; choose a file that fits the stage and "
            "the depth of the network"
        )
    blocks = _blocks(names.values())
    stacks = {stack for stack, _ in blocks}
    more = [block for block in _blocks(state) if block[0] in stacks and block not in blocks]
    if more:
        raise UserError(
            f"{source}: has more blocks than the network, {'.'.join(min(more))} first; choose a "
            "network of that depth"
        )
    return {name: _fitted(state[key], own[name], key, source) for name, key in names.items()}


def load_released(model: nn.Module, file: str) -> LoadedWeights:
    """Load a released checkpoint, after pre-training or fine-tuning, in place.

    The patch embedding is rescaled from pixels that are normalised by ImageNet's mean and standard
    deviation to those of `AVPreprocessor`; its output stays the same. A decoder was trained to
    predict the former.

    Args:
        model: a `CavMae` or `CavMaePretraining`.
        file: the checkpoint.

    Raises:
        UserError: the file cannot be read, is of another layout or does not fit the network.
    """
    state = read_state_dict(file, WANTED)
    weights = mapped_weights(model, _rescaled(state), file)
    model.load_state_dict(weights, strict=False)
    used = {released_name(name) for name in weights}
    return LoadedWeights(
        file,
        tuple(key for key in state if key in used),
        tuple(key for key in state if key not in used),
    )


def _blocks(names: Iterable[str]) -> set[tuple[str, str]]:
    """Stack and index of the blocks that released names belong to."""
    matches = (re.match(r"(blocks_[avu]|decoder_blocks)\.(\d+)\.", name) for name in names)
    return {(match[1], match[2]) for match in matches if match}


def _rescaled(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict with a patch embedding of frames for the pixels of `AVPreprocessor`."""
    names = {key: key.replace(".", "_v.", 1) for key in (PATCH_WEIGHT, PATCH_BIAS)}
    if not set(names.values()) <= set(state):
        return state
    pixels = {key: state[name].float() for key, name in names.items()}
    rescale_pixels(pixels, IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD)
    return state | {name: pixels[key] for key, name in names.items()}


def _fitted(
    value: Float[Tensor, "..."], own: Float[Tensor, "..."], name: str, source: str
) -> Float[Tensor, "..."]:
    """A released weight in the shape of ours."""
    shape = tuple(value.shape)
    if name.startswith("patch_embed") and len(shape) == 4:
        # a convolution there, a linear layer here: the channels of a value come last
        value = value.permute(0, 2, 3, 1).flatten(1)
    elif set(shape[: len(shape) - own.ndim]) <= {1}:
        value = value.reshape(shape[len(shape) - own.ndim :])
    if value.shape != own.shape:
        raise UserError(
            f"{source}: {name} has shape {shape}, wanted {tuple(own.shape)} in the network; choose "
            "a file of that size, or that size in tokens.py of configs/base"
        )
    return value.float()
