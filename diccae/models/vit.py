"""Vision transformers as encoders at paper scale: ViT-B/16 on log-mels and on frames, from scratch, ImageNet or CAV-MAE weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import timm
import torch
from mmaction.registry import MODELS
from mmengine.logging import print_log
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.layers import PatchEmbed, resample_abs_pos_embed
from timm.models import load_state_dict
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from diccae.errors import UserError

# what AVPreprocessor scales pixels in [0, 1] with (video_input "rgb")
PIXEL_MEAN, PIXEL_STD = 0.5, 0.25
# rows of patches in a CAV-MAE spectrogram: 128 mels by 16
CAV_MAE_MEL_PATCHES = 8
PATCH_WEIGHT, PATCH_BIAS = "patch_embed.proj.weight", "patch_embed.proj.bias"


@dataclass(frozen=True)
class LoadedWeights:
    """Where an encoder's first weights came from, and the keys of that source that were used and that were not, in its own order."""

    source: str
    used: tuple[str, ...]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        groups = groupby(sorted(key.split(".")[0] for key in self.unused))
        left = ", ".join(f"{name} {len(list(keys))}" for name, keys in groups) or "none"
        return f"{self.source}: {len(self.used)} of {len(self.used) + len(self.unused)} weights used; unused: {left}"


@MODELS.register_module()
class AudioViT(nn.Module):
    """A ViT over a log-mel spectrogram; the feature is the mean of the normalised patch tokens, and there is no class token.

    Patches are cut from the spectrogram with mels as rows and frames as columns, as CAV-MAE and AST do: 1024 frames x 128 mels give 8 x 64.
    ImageNet's three colour planes are added to one, as in AST.

    Args:
        model: name of a timm ViT.
        fbank_frames, n_mels: size of the spectrogram, multiples of the patch.
        init: `scratch`, `imagenet`, or the path of a CAV-MAE checkpoint.
        pretrained_file: with `imagenet`, a local file of the timm weights instead of a download.

    Attributes:
        out_features: size of the feature.
        loaded: what the first weights were, None from scratch.

    Raises:
        UserError: a model, size or weight file that does not fit.
    """

    def __init__(
        self,
        model: str = "vit_base_patch16_224",
        fbank_frames: int = 1024,
        n_mels: int = 128,
        init: str = "scratch",
        pretrained_file: str | None = None,
    ) -> None:
        super().__init__()
        self.vit, self.loaded = _build(model, (n_mels, fbank_frames), 1, init, pretrained_file)
        self.out_features = self.vit.num_features
        self.input_shape = (1, fbank_frames, n_mels)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, 1, fbank_frames, n_mels) -> (B, out_features)."""
        _check_input(
            "AudioViT",
            inputs,
            self.input_shape,
            "fbank_frames and n_mels are those of the clip cache",
        )
        return self.vit(inputs.transpose(2, 3))


@MODELS.register_module()
class VideoViT(nn.Module):
    """A ViT over each frame; the feature is the mean over frames and over the normalised patch tokens, and there is no class token.

    It reads what AVPreprocessor gives with `video_input="rgb"`: the frames of a view stacked on the channel axis, frame by frame, each as R, G, B.
    Released weights expect other means and standard deviations of the pixels than AVPreprocessor's; the difference goes into the patch
    embedding when they are loaded, so that they see the pixels that they were trained on.

    Args:
        model: name of a timm ViT.
        num_frames: frames of a view.
        frame_size: height and width of a frame in pixels, a multiple of the patch.
        init: `scratch`, `imagenet`, or the path of a CAV-MAE checkpoint.
        pretrained_file: with `imagenet`, a local file of the timm weights instead of a download.

    Attributes:
        out_features: size of the feature.
        loaded: what the first weights were, None from scratch.

    Raises:
        UserError: a model, size or weight file that does not fit.
    """

    def __init__(
        self,
        model: str = "vit_base_patch16_224",
        num_frames: int = 10,
        frame_size: int = 224,
        init: str = "scratch",
        pretrained_file: str | None = None,
    ) -> None:
        super().__init__()
        self.vit, self.loaded = _build(model, (frame_size, frame_size), 3, init, pretrained_file)
        self.out_features = self.vit.num_features
        self.input_shape = (3 * num_frames, frame_size, frame_size)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, num_frames 3, frame_size, frame_size) -> (B, out_features)."""
        _check_input(
            "VideoViT",
            inputs,
            self.input_shape,
            'it wants video_input "rgb" and the data\'s num_frames and frame_size',
        )
        frames = inputs.unflatten(1, (-1, 3)).flatten(0, 1)
        return self.vit(frames).unflatten(0, (len(inputs), -1)).mean(1)


def _check_input(name: str, inputs: Tensor, wanted: tuple[int, int, int], hint: str) -> None:
    # shapes are Python numbers, so torch.compile checks this once and not in the graph
    if tuple(inputs.shape[1:]) != wanted:
        raise UserError(
            f"{name}: wanted inputs of shape (B, {wanted[0]}, {wanted[1]}, {wanted[2]}), got {tuple(inputs.shape)}; {hint}"
        )


def _build(
    model: str, size: tuple[int, int], channels: int, init: str, pretrained_file: str | None
) -> tuple[VisionTransformer, LoadedWeights | None]:
    """A timm ViT without class token or head, its tokens normalised and then averaged, with the weights that `init` names."""
    if pretrained_file is not None and init != "imagenet":
        raise UserError(
            f"pretrained_file: {pretrained_file} is read with init imagenet only, got init {init!r}; drop one of the two"
        )
    cav_mae = init not in ("scratch", "imagenet")
    options = (
        {"norm_layer": partial(nn.LayerNorm, eps=1e-5)} if cav_mae else {}
    )  # timm's 1e-6 is not what CAV-MAE was trained with
    try:
        vit = timm.create_model(
            model,
            img_size=size,
            in_chans=channels,
            num_classes=0,
            class_token=False,
            reg_tokens=0,
            global_pool="avg",
            fc_norm=False,
            dynamic_img_size=False,
            **options,
        )
    except (RuntimeError, TypeError, ValueError) as error:
        raise UserError(
            f"model: timm cannot build a ViT named {model!r} ({error}); timm.list_models('vit*') lists them"
        ) from error
    if (
        not isinstance(vit, VisionTransformer)
        or type(vit.patch_embed) is not PatchEmbed
        or vit.pos_embed is None
    ):
        raise UserError(
            f"model: {model} is not a plain ViT with learned position embeddings; wanted one like vit_base_patch16_224"
        )
    if vit.patch_embed.proj.bias is None:
        raise UserError(
            f"model: {model} has a patch embedding without bias; wanted a ViT like vit_base_patch16_224"
        )
    patch = vit.patch_embed.patch_size
    if any(length % side for length, side in zip(size, patch, strict=True)):
        raise UserError(
            f"{model}: input of {size[0]} x {size[1]} does not divide into patches of {patch[0]} x {patch[1]}; choose multiples"
        )
    if init == "scratch":
        return vit, None
    loaded = (
        _load_cav_mae(vit, init, "a" if channels == 1 else "v")
        if cav_mae
        else _load_imagenet(vit, model, pretrained_file)
    )
    print_log(f"{model}: {loaded}", logger="current")
    return vit, loaded


def _load_imagenet(vit: VisionTransformer, model: str, file: str | None) -> LoadedWeights:
    """timm's released weights, from a local file or by download; the class token, its position and the head are left out."""
    if file is not None:
        source, state = file, _read(file, "pretrained_file: wanted a file of timm weights")
    else:
        source = f"timm's weights of {model}"
        try:
            state = timm.create_model(model, pretrained=True).state_dict()
        except Exception as error:  # what a failed download raises depends on libraries below timm
            raise UserError(
                f"init imagenet: the weights of {model} cannot be had ({_first_line(error)}); "
                "get their file where there is a network and name it as pretrained_file"
            ) from error
    keys = {key: key for key in vit.state_dict()}
    weights = _take(vit, source, state, keys, channels=3)
    prefix = sum(
        state[key].shape[1] for key in ("cls_token", "dist_token", "reg_token") if key in state
    )
    positions = weights["pos_embed"]
    if not _is_square(positions.shape[1] - prefix):
        prefix = 0  # some models give their class token no position
    side = math.isqrt(positions.shape[1] - prefix)
    weights["pos_embed"] = _resample(vit, source, "pos_embed", positions[:, prefix:], (side, side))
    if vit.patch_embed.proj.in_channels == 1:
        weights[PATCH_WEIGHT] = weights[PATCH_WEIGHT].sum(1, keepdim=True)
    else:
        _rescale_pixels(weights, vit.pretrained_cfg["mean"], vit.pretrained_cfg["std"])
    return _load(vit, source, weights, state, set(keys.values()))


def _load_cav_mae(vit: VisionTransformer, file: str, modality: str) -> LoadedWeights:
    """One modality (`a` or `v`) of a released CAV-MAE: its own blocks, then the joint ones with this modality's norms, and no decoder.

    CAV-MAE adds one learned vector to all tokens of a modality; here it is part of the position embeddings.
    """
    state = _read(file, "init: wanted scratch, imagenet or the path of a CAV-MAE checkpoint")
    specific, joint = (
        len({key.split(".")[1] for key in state if key.startswith(f"{name}.")})
        for name in (f"blocks_{modality}", "blocks_u")
    )
    depth = len(vit.blocks)
    if specific and specific + joint != depth:
        raise UserError(
            f"{file}: has {specific} blocks_{modality} and {joint} blocks_u, wanted {depth} together; choose a model of that depth"
        )
    keys = {key: _cav_mae_key(key, modality, specific) for key in vit.state_dict()}
    shift = f"modality_{modality}"
    weights = _take(
        vit, file, state, {**keys, shift: shift}, channels=vit.patch_embed.proj.in_channels
    )
    positions, name = weights["pos_embed"] + weights.pop(shift), keys["pos_embed"]
    count = positions.shape[1]
    side = math.isqrt(count)
    grid = (CAV_MAE_MEL_PATCHES, count // CAV_MAE_MEL_PATCHES) if modality == "a" else (side, side)
    weights["pos_embed"] = _resample(vit, file, name, positions, grid)
    if modality == "v":
        _rescale_pixels(weights, IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD)
    return _load(vit, file, weights, state, {*keys.values(), shift})


def _cav_mae_key(key: str, modality: str, specific: int) -> str:
    """The name that a weight of a timm ViT has in a CAV-MAE checkpoint with `specific` blocks a modality."""
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


def _read(file: str, wanted: str) -> dict[str, Tensor]:
    if not Path(file).is_file():
        raise UserError(f"{wanted}, got {file!r}, where there is no file; correct the path")
    try:
        state = load_state_dict(file, use_ema=False)
    except Exception as error:  # pickle, zip and safetensors each have their own errors
        raise UserError(
            f"{file}: cannot be read as a state dict ({_first_line(error)}); download the file again"
        ) from error
    other = [key for key, value in state.items() if not isinstance(value, Tensor)]
    if other:
        raise UserError(
            f"{file}: {other[0]} is no tensor, wanted a state dict; save the state dict alone"
        )
    return state


def _take(
    vit: VisionTransformer,
    source: str,
    state: dict[str, Tensor],
    keys: dict[str, str],
    channels: int,
) -> dict[str, Tensor]:
    """The weights of `state` under this model's names (`keys`: own name -> name in the source), present and of the right shape."""
    missing = [key for key in keys.values() if key not in state]
    if missing:
        raise UserError(
            f"{source}: lacks {len(missing)} of the {len(keys)} weights that the encoder needs, {missing[0]} first; choose a file that fits the model"
        )
    shapes = {key: tuple(value.shape) for key, value in vit.state_dict().items()}
    shapes[PATCH_WEIGHT] = (shapes[PATCH_WEIGHT][0], channels, *shapes[PATCH_WEIGHT][2:])
    token = (1, 1, vit.embed_dim)
    for key, name in keys.items():
        shape, wanted = tuple(state[name].shape), shapes.get(key, token)
        # the number of positions may differ: they are interpolated
        fits = (
            len(shape) == 3 and (shape[0], shape[2]) == (1, vit.embed_dim)
            if key == "pos_embed"
            else shape == wanted
        )
        if not fits:
            raise UserError(
                f"{source}: {name} has shape {shape}, wanted {wanted}; choose a file that fits the model"
            )
    return {key: state[name].float() for key, name in keys.items()}


def _resample(
    vit: VisionTransformer, source: str, name: str, positions: Tensor, grid: tuple[int, int]
) -> Tensor:
    """Position embeddings (1, rows x columns, D) of another grid -> this model's grid, bicubic."""
    if grid[0] * grid[1] != positions.shape[1]:
        raise UserError(
            f"{source}: {name} has {positions.shape[1]} positions, which make no grid; choose a file that fits the model"
        )
    return resample_abs_pos_embed(
        positions, list(vit.patch_embed.grid_size), list(grid), num_prefix_tokens=0
    )


def _rescale_pixels(
    weights: dict[str, Tensor], mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    """Makes a patch embedding for pixels of `mean` and `std` into one, of the same output, for what AVPreprocessor gives."""
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


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
