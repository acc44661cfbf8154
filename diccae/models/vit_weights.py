"""Loading the released weights of ImageNet and CAV-MAE into a timm ViT."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby

import timm
import torch
from jaxtyping import Float
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.layers import resample_abs_pos_embed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from diccae.errors import UserError
from diccae.models.state_dicts import PATCH_WEIGHT, first_line, read_state_dict, select_weights

# how AVPreprocessor normalises pixels in [0, 1] (video_input "rgb")
PIXEL_MEAN, PIXEL_STD = 0.5, 0.25
# rows of patches in a CAV-MAE spectrogram: 128 mels / 16
CAV_MAE_MEL_PATCHES = 8
PATCH_BIAS = "patch_embed.proj.bias"


@dataclass(frozen=True)
class LoadedWeights:
    """The pretrained weights of an encoder.

    Attributes:
        source: the file or timm model that they come from.
        used: keys of the source that were loaded, in its order.
        unused: keys of the source that were not loaded, in its order.
    """

    source: str
    used: tuple[str, ...]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        groups = groupby(sorted(key.split(".")[0] for key in self.unused))
        unused = ", ".join(f"{name} {len(list(keys))}" for name, keys in groups) or "none"
        total = len(self.used) + len(self.unused)
        return f"{self.source}: {len(self.used)} of {total} weights used; unused: {unused}"


def load_imagenet(vit: VisionTransformer, model: str, file: str | None) -> LoadedWeights:
    """Load timm's weights without class token, its position embedding, and head.

    Args:
        vit: the model, which is changed in place.
        model: name of the timm model.
        file: a local file of the weights; None to download them.

    Raises:
        UserError: the weights cannot be read or downloaded, or do not fit the model.
    """
    if file is not None:
        source, state = (
            file,
            read_state_dict(file, "pretrained_file: wanted a file of timm weights"),
        )
    else:
        source = f"timm's weights of {model}"
        try:
            state = timm.create_model(model, pretrained=True).state_dict()
        # the type depends on the libraries that timm uses for downloads
        except Exception as error:
            raise UserError(
                f"init imagenet: the weights of {model} cannot be downloaded "
                f"({first_line(error)}); download their file on a machine with a network and "
                "name it as pretrained_file"
            ) from error
    keys = {key: key for key in vit.state_dict()}
    weights = select_weights(vit, source, state, keys, channels=3)
    prefix = sum(
        state[key].shape[1] for key in ("cls_token", "dist_token", "reg_token") if key in state
    )
    positions = weights["pos_embed"]
    if not _is_square(positions.shape[1] - prefix):
        # some models have no position embedding for the class token
        prefix = 0
    side = math.isqrt(positions.shape[1] - prefix)
    weights["pos_embed"] = _resample(vit, source, "pos_embed", positions[:, prefix:], (side, side))
    if vit.patch_embed.proj.in_channels == 1:
        weights[PATCH_WEIGHT] = weights[PATCH_WEIGHT].sum(1, keepdim=True)
    else:
        rescale_pixels(weights, vit.pretrained_cfg["mean"], vit.pretrained_cfg["std"])
    return _load(vit, source, weights, state, set(keys.values()))


def load_cav_mae(vit: VisionTransformer, file: str, modality: str) -> LoadedWeights:
    """Load the encoder of one modality of a released CAV-MAE.

    Its blocks are those of the modality, followed by the joint ones with the norms of the modality.
    The vector that CAV-MAE adds to all tokens of a modality becomes part of the position
    embeddings.

    Args:
        vit: the model, which is changed in place.
        file: the checkpoint.
        modality: `a` or `v`.

    Raises:
        UserError: the file cannot be read or does not fit the model.
    """
    state = read_state_dict(
        file, "init: wanted scratch, imagenet or the path of a CAV-MAE checkpoint"
    )
    specific, joint = (
        len({key.split(".")[1] for key in state if key.startswith(f"{name}.")})
        for name in (f"blocks_{modality}", "blocks_u")
    )
    depth = len(vit.blocks)
    if specific and specific + joint != depth:
        raise UserError(
            f"{file}: has {specific} blocks_{modality} and {joint} blocks_u, wanted {depth} "
            "together; choose a model of that depth"
        )
    keys = {key: _cav_mae_key(key, modality, specific) for key in vit.state_dict()}
    shift = f"modality_{modality}"
    weights = select_weights(
        vit, file, state, {**keys, shift: shift}, channels=vit.patch_embed.proj.in_channels
    )
    positions, name = weights["pos_embed"] + weights.pop(shift), keys["pos_embed"]
    count = positions.shape[1]
    side = math.isqrt(count)
    grid = (CAV_MAE_MEL_PATCHES, count // CAV_MAE_MEL_PATCHES) if modality == "a" else (side, side)
    weights["pos_embed"] = _resample(vit, file, name, positions, grid)
    if modality == "v":
        rescale_pixels(weights, IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD)
    return _load(vit, file, weights, state, {*keys.values(), shift})


def _cav_mae_key(key: str, modality: str, specific: int) -> str:
    """The CAV-MAE key of a timm weight, in a checkpoint with `specific` blocks per modality."""
    first, *rest = key.split(".")
    if first != "blocks":
        return ".".join([f"{first}_{modality}", *rest])
    block, layer, *rest = rest
    if int(block) < specific:
        return ".".join([f"blocks_{modality}", block, layer, *rest])
    return ".".join(
        [
            "blocks_u",
            str(int(block) - specific),
            f"{layer}_{modality}" if layer.startswith("norm") else layer,
            *rest,
        ]
    )


def _resample(
    vit: VisionTransformer,
    source: str,
    name: str,
    positions: Float[Tensor, "1 n d"],
    grid: tuple[int, int],
) -> Float[Tensor, "1 m d"]:
    """Interpolate position embeddings (1, rows x columns, D) of a grid to that of the model."""
    if grid[0] * grid[1] != positions.shape[1]:
        raise UserError(
            f"{source}: {name} has {positions.shape[1]} positions, which form no grid; "
            "choose a file that fits the model"
        )
    return resample_abs_pos_embed(
        positions, list(vit.patch_embed.grid_size), list(grid), num_prefix_tokens=0
    )


def rescale_pixels(
    weights: dict[str, Tensor], mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    """Rescale a patch embedding for pixels normalised by `mean` and `std`, in place.

    Its output on pixels normalised by AVPreprocessor becomes the same.
    """
    mean_of, std_of = (torch.tensor(value)[None, :, None, None] for value in (mean, std))
    weight = weights[PATCH_WEIGHT]
    weights[PATCH_BIAS] = weights[PATCH_BIAS] + (weight * (PIXEL_MEAN - mean_of) / std_of).sum(
        (1, 2, 3)
    )
    weights[PATCH_WEIGHT] = weight * PIXEL_STD / std_of


def _load(
    vit: VisionTransformer,
    source: str,
    weights: dict[str, Tensor],
    state: dict[str, Tensor],
    names: set[str],
) -> LoadedWeights:
    vit.load_state_dict(weights)
    return LoadedWeights(
        source,
        tuple(key for key in state if key in names),
        tuple(key for key in state if key not in names),
    )


def _is_square(count: int) -> bool:
    return count >= 0 and math.isqrt(count) ** 2 == count
