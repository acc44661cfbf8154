"""Loading released weights of Perceiver IO, in the layout of transformers."""

from __future__ import annotations

from torch import nn

from diccae.errors import UserError
from diccae.models.state_dicts import read_state_dict
from diccae.models.vit_weights import LoadedWeights

# the classification decoder of transformers holds the one that ours is
RELEASED_DECODER, DECODER = "perceiver.decoder.decoder.", "perceiver.decoder."
CLASSIFIER = f"{RELEASED_DECODER}final_layer."
# the latents and the layers that work on them alone; a checkpoint without them gives nothing
REQUIRED = ("perceiver.embeddings.", "perceiver.encoder.self_attends.")


def load_released(model: nn.Module, file: str) -> LoadedWeights:
    """Load what fits of a released checkpoint (deepmind/vision-perceiver-learned and the like).

    The latents and all self-attention layers are required. The attention to the tokens and the
    decoder are taken where their widths are the same. Preprocessors, postprocessors and the
    classifier belong to the data of the release, and are left out.

    Args:
        model: a `PerceiverIO`, changed in place.
        file: the checkpoint.

    Raises:
        UserError: the file cannot be read, or has other latents or layers.
    """
    state = read_state_dict(file, "init: wanted scratch or the path of a Perceiver IO checkpoint")
    own = {key: value for key, value in model.state_dict().items() if key.startswith("perceiver.")}
    names = {_own_name(key): key for key in state if not key.startswith(CLASSIFIER)}
    taken = {
        name: key
        for name, key in names.items()
        if name in own and own[name].shape == state[key].shape
    }
    for name, value in own.items():
        if name.startswith(REQUIRED) and name not in taken:
            found = tuple(state[names[name]].shape) if name in names else "none"
            raise UserError(
                f"{file}: {name} has the shape {found}, wanted {tuple(value.shape)}; choose a "
                "checkpoint of Perceiver IO with these latents and layers, or set method.latents, "
                "latent_width and layers to those of the checkpoint"
            )
    further = [key for name, key in names.items() if name.startswith(REQUIRED) and name not in own]
    if further:
        raise UserError(
            f"{file}: {further[0]} is of a layer that the model does not have; set method.layers "
            "to the number of layers in the checkpoint"
        )
    model.load_state_dict({name: state[key].float() for name, key in taken.items()}, strict=False)
    used = set(taken.values())
    return LoadedWeights(
        file,
        tuple(key for key in state if key in used),
        tuple(key for key in state if key not in used),
    )


def _own_name(key: str) -> str:
    if key.startswith(RELEASED_DECODER):
        return DECODER + key.removeprefix(RELEASED_DECODER)
    return key
