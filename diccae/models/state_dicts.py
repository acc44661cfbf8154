"""State dicts: reading them from files, and selecting the weights of a ViT."""

from __future__ import annotations

from pathlib import Path

from timm.models import load_state_dict
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from diccae.errors import UserError

PATCH_WEIGHT = "patch_embed.proj.weight"


def read_state_dict(file: str, wanted: str) -> dict[str, Tensor]:
    """Read a state dict from a file of torch or safetensors.

    Args:
        file: the file.
        wanted: beginning of the error where there is no file: the option and what it accepts.

    Raises:
        UserError: the file does not exist, cannot be read, or is no state dict.
    """
    if not Path(file).is_file():
        raise UserError(f"{wanted}, got {file!r}, which does not exist; correct the path")
    try:
        state = load_state_dict(file, use_ema=False)
    # pickle, zip and safetensors each have errors of their own
    except Exception as error:
        raise UserError(
            f"{file}: cannot be read as a state dict ({first_line(error)}); download the file again"
        ) from error
    other = [key for key, value in state.items() if not isinstance(value, Tensor)]
    if other:
        raise UserError(
            f"{file}: {other[0]} is no tensor, wanted a state dict; save the state dict alone"
        )
    return state


def select_weights(
    vit: VisionTransformer,
    source: str,
    state: dict[str, Tensor],
    keys: dict[str, str],
    channels: int,
) -> dict[str, Tensor]:
    """Select the weights of a model from a state dict and check their shapes.

    Args:
        vit: the model.
        source: name of the state dict, for errors.
        state: the state dict.
        keys: key of the model -> key of the state dict.
        channels: input channels of the patch embedding in the state dict.

    Returns:
        float32 tensors by key of the model; the number of positions may be another one.

    Raises:
        UserError: a weight is missing or has another shape.
    """
    missing = [key for key in keys.values() if key not in state]
    if missing:
        raise UserError(
            f"{source}: lacks {len(missing)} of the {len(keys)} weights that the encoder needs, "
            f"{missing[0]} first; choose a file that fits the model"
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
                f"{source}: {name} has shape {shape}, wanted {wanted}; "
                "choose a file that fits the model"
            )
    return {key: state[name].float() for key, name in keys.items()}


def first_line(error: Exception) -> str:
    """The first line of an error's message, or the name of its type."""
    return next(iter(str(error).splitlines()), type(error).__name__)
