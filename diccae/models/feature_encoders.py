"""Released encoders that turn log-mels and frames into features, once for each clip."""

from __future__ import annotations

import math
from typing import Any

import timm
import torch
from jaxtyping import Float16, Shaped
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torchvision.transforms import v2

from diccae.errors import UserError
from diccae.feature_settings import FeatureSource
from diccae.models.state_dicts import read_state_dict
from diccae.models.vit import AudioViT, VideoViT
from diccae.models.vit_weights import PIXEL_MEAN, PIXEL_STD


def feature_encoder(
    modality: str, source: FeatureSource, cache: dict[str, Any]
) -> CavMaeAudio | CavMaeFrames | TimmFrames:
    """The encoder of a source, in evaluation mode.

    Args:
        modality: `audio` or `video`.
        source: a source with an `encoder`.
        cache: the section `cache` of the settings, for the sizes of the input.

    Raises:
        UserError: weights, model, and sizes do not fit together.
    """
    kinds: dict[str, Any] = {"audio": CavMaeAudio, "video": CavMaeFrames}
    kind = TimmFrames if source.encoder == "timm" else kinds[modality]
    return kind(source, cache).eval()


class CavMaeAudio(nn.Module):
    """The audio encoder of a CAV-MAE checkpoint on log-mels, normalised as in its training."""

    def __init__(self, source: FeatureSource, cache: dict[str, Any]) -> None:
        super().__init__()
        vit = AudioViT(source.model, cache["fbank_frames"], cache["n_mels"], source.weights or "")
        self.vit, self.width = vit.vit, vit.out_features
        self.mean, self.std = source.mean, source.std
        self.steps, self.patches = source.steps, source.patches
        rows, self.columns = self.vit.patch_embed.grid_size
        if self.columns % self.steps:
            raise UserError(
                f"features.audio.steps {self.steps} does not divide the {self.columns} columns of "
                f"patches of {cache['fbank_frames']} log-mel frames; choose a divisor"
            )
        self.shape = (self.steps, rows if self.patches else 1, self.width)

    def forward(self, clips: Float16[Tensor, "b frames mels"]) -> Float16[Tensor, "b s p d"]:
        """Log-mels in nats (B, frames, mels) -> features (B, S, P, D)."""
        values = (clips.float() - self.mean) / self.std
        tokens = self.vit.forward_features(values[:, None].transpose(2, 3))
        grid = tokens.unflatten(1, (-1, self.steps, self.columns // self.steps))
        # (B, rows, S, columns, D) -> mean over the columns of a step
        return _half(_pooled(grid.mean(3).transpose(1, 2), self.patches))


class CavMaeFrames(nn.Module):
    """The video encoder of a CAV-MAE checkpoint on each frame."""

    def __init__(self, source: FeatureSource, cache: dict[str, Any]) -> None:
        super().__init__()
        size = cache["frame_size"]
        encoder = VideoViT(source.model, 1, size, source.weights or "")
        # VideoViT expects pixels as AVPreprocessor normalises them
        self.normalize = v2.Normalize([PIXEL_MEAN] * 3, [PIXEL_STD] * 3)
        self.vit, self.width = encoder.vit, encoder.out_features
        self.steps, self.patches = source.steps, source.patches
        tokens = self.vit.patch_embed.num_patches
        self.shape = (self.steps, tokens if self.patches else 1, self.width)

    def forward(self, clips: Shaped[Tensor, "b t h w 3"]) -> Float16[Tensor, "b s p d"]:
        """Frames in uint8 (B, T, H, W, 3) -> features (B, S, P, D)."""
        tokens = self.vit.forward_features(self.normalize(_pixels(clips)))
        return _half(_steps(_pooled(tokens, self.patches), len(clips), self.steps))


class TimmFrames(nn.Module):
    """A ViT of timm on each frame, with the normalisation of its training and the picture size of
    its weights.

    The vector of a frame is what the model's classifier would read (class token or mean, as the
    model has it), or with `patches` the normalised tokens of all patches.
    """

    def __init__(self, source: FeatureSource, cache: dict[str, Any]) -> None:
        super().__init__()
        state = read_state_dict(
            source.weights or "", "features.video.weights: wanted a file of timm weights"
        )
        vit = _timm_vit(source.model, state)
        _load(vit, source.weights or "", state)
        self.vit, self.width = vit, vit.num_features
        settings = vit.pretrained_cfg
        self.size = tuple(vit.patch_embed.img_size or settings["input_size"][-2:])
        self.normalize = v2.Normalize(settings["mean"], settings["std"])
        self.steps, self.patches = source.steps, source.patches
        tokens = vit.patch_embed.num_patches
        self.shape = (self.steps, tokens if self.patches else 1, self.width)

    def forward(self, clips: Shaped[Tensor, "b t h w 3"]) -> Float16[Tensor, "b s p d"]:
        """Frames in uint8 (B, T, H, W, 3) -> features (B, S, P, D)."""
        frames = _pixels(clips)
        if tuple(frames.shape[-2:]) != self.size:
            frames = v2.functional.resize(frames, list(self.size), antialias=True)
        tokens = self.vit.forward_features(self.normalize(frames))
        if self.patches:
            tokens = tokens[:, self.vit.num_prefix_tokens :]
        else:
            tokens = self.vit.forward_head(tokens, pre_logits=True)[:, None]
        return _half(_steps(tokens, len(clips), self.steps))


def _timm_vit(name: str, state: dict[str, Tensor]) -> VisionTransformer:
    """A ViT without classifier, for the picture size that its weights have positions for."""
    where = f"features.video.model: {name}"
    try:
        vit = timm.create_model(name, num_classes=0)
        if isinstance(vit, VisionTransformer) and "pos_embed" in state:
            prefix = vit.pos_embed.shape[1] - vit.patch_embed.num_patches
            side = math.isqrt(max(0, state["pos_embed"].shape[1] - prefix))
            size = side * vit.patch_embed.patch_size[0]
            if size not in (0, vit.patch_embed.img_size[0]):
                vit = timm.create_model(name, num_classes=0, img_size=size)
    except (RuntimeError, TypeError, ValueError) as error:
        raise UserError(
            f"{where}: timm cannot build it ({error}); timm.list_models('*vit*') lists models"
        ) from error
    if not isinstance(vit, VisionTransformer):
        raise UserError(f"{where} is no vision transformer; timm.list_models('*vit*') lists them")
    return vit


def _load(vit: VisionTransformer, file: str, state: dict[str, Tensor]) -> None:
    """Load weights into a model; those of the classifier alone may be left over."""
    shapes = {key: tuple(value.shape) for key, value in vit.state_dict().items()}
    missing = [key for key in shapes if key not in state]
    other = [key for key in shapes if key in state and tuple(state[key].shape) != shapes[key]]
    over = [key for key in state if key not in shapes and not key.startswith("head")]
    for keys, words in ((missing, "lacks"), (other, "has another shape of"), (over, "also has")):
        if keys:
            raise UserError(
                f"{file}: it {words} {len(keys)} weights of the model, {keys[0]} first; name the "
                "model whose weights these are in features.video.model"
            )
    vit.load_state_dict({key: state[key] for key in shapes})


def _pixels(clips: Shaped[Tensor, "b t h w 3"]) -> Shaped[Tensor, "n 3 h w"]:
    """All frames of a batch with values in [0, 1]."""
    frames = clips.flatten(0, 1).permute(0, 3, 1, 2)
    return v2.functional.to_dtype(frames, torch.float32, scale=True)


def _pooled(tokens: Shaped[Tensor, "... p d"], patches: bool) -> Shaped[Tensor, "... q d"]:
    return tokens if patches else tokens.mean(-2, keepdim=True)


def _steps(tokens: Shaped[Tensor, "bt p d"], clips: int, steps: int) -> Shaped[Tensor, "b s p d"]:
    """Vectors of each frame -> their means over the frames of a step."""
    return tokens.unflatten(0, (clips, steps, -1)).mean(2)


def _half(features: Shaped[Tensor, "b s p d"]) -> Float16[Tensor, "b s p d"]:
    """In float16.

    Raises:
        UserError: a value is not finite or too large.
    """
    half = features.half()
    if not torch.isfinite(half).all():
        raise UserError(
            "features that are not finite in float16: the weights do not fit the model or the input"
        )
    return half
