"""Vision transformers as encoders at paper scale: ViT-B/16 on log-mels and on frames.

The weights are random, those of ImageNet, or those of CAV-MAE.
"""

from __future__ import annotations

from functools import partial

import timm
from jaxtyping import Float
from mmaction.registry import MODELS
from mmengine.logging import print_log
from timm.layers import PatchEmbed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from diccae.errors import UserError
from diccae.models.vit_weights import LoadedWeights, load_cav_mae, load_imagenet


@MODELS.register_module()
class AudioViT(nn.Module):
    """A ViT over a log-mel spectrogram; the feature is the mean of the normalised patch tokens.

    There is no class token. The spectrogram is divided into patches with mels as rows and frames as
    columns, as in CAV-MAE and AST: 1024 frames x 128 mels give 8 x 64 patches. The three colour
    channels of ImageNet's patch embedding are added, as in AST.

    Args:
        model: name of a timm ViT.
        fbank_frames: time frames of the spectrogram, a multiple of the patch width.
        n_mels: mel bands of the spectrogram, a multiple of the patch height.
        init: `scratch`, `imagenet`, or the path of a CAV-MAE checkpoint.
        pretrained_file: with `imagenet`, a local file of the timm weights instead of a download.

    Attributes:
        out_features: size of the feature.
        loaded: the weights that were loaded; None for `scratch`.

    Raises:
        UserError: the model, the size or the weights do not fit together.
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

    def forward(self, inputs: Float[Tensor, "b 1 frames mels"]) -> Float[Tensor, "b d"]:
        """Log-mels (B, 1, fbank_frames, n_mels) -> features (B, out_features).

        Raises:
            UserError: the spectrograms have another size.
        """
        return self.vit(self._images(inputs))

    def locations(self, inputs: Float[Tensor, "b 1 frames mels"]) -> Float[Tensor, "b n d"]:
        """The normalised patch tokens (B, N, out_features), whose mean over N is the feature.

        Raises:
            UserError: the spectrograms have another size.
        """
        return self.vit.forward_features(self._images(inputs))

    def _images(self, inputs: Float[Tensor, "b 1 frames mels"]) -> Float[Tensor, "b 1 mels frames"]:
        _check_input(
            "AudioViT",
            inputs,
            self.input_shape,
            "fbank_frames and n_mels are those of the clip cache",
        )
        return inputs.transpose(2, 3)


@MODELS.register_module()
class VideoViT(nn.Module):
    """A ViT over each frame; the feature is the mean over frames and normalised patch tokens.

    There is no class token. The input is that of AVPreprocessor with `video_input="rgb"`: the
    frames of a view, stacked on the channel axis, each as R, G, B. Released weights expect pixels
    normalised with other means and standard deviations than AVPreprocessor's; the patch embedding
    is rescaled accordingly when they are loaded.

    Args:
        model: name of a timm ViT.
        num_frames: frames of a view.
        frame_size: height and width of a frame in pixels, a multiple of the patch.
        init: `scratch`, `imagenet`, or the path of a CAV-MAE checkpoint.
        pretrained_file: with `imagenet`, a local file of the timm weights instead of a download.

    Attributes:
        out_features: size of the feature.
        loaded: the weights that were loaded; None for `scratch`.

    Raises:
        UserError: the model, the size or the weights do not fit together.
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

    def forward(self, inputs: Float[Tensor, "b tc h w"]) -> Float[Tensor, "b d"]:
        """Frames (B, 3 num_frames, frame_size, frame_size) -> features (B, out_features).

        Raises:
            UserError: the frames have another number or size.
        """
        return self.vit(self._frames(inputs)).unflatten(0, (len(inputs), -1)).mean(1)

    def locations(self, inputs: Float[Tensor, "b tc h w"]) -> Float[Tensor, "b n d"]:
        """The normalised patch tokens of all frames (B, N, out_features), whose mean over N is the
        feature.

        Raises:
            UserError: the frames have another number or size.
        """
        tokens = self.vit.forward_features(self._frames(inputs))
        return tokens.unflatten(0, (len(inputs), -1)).flatten(1, 2)

    def _frames(self, inputs: Float[Tensor, "b tc h w"]) -> Float[Tensor, "bt 3 h w"]:
        _check_input(
            "VideoViT",
            inputs,
            self.input_shape,
            'it wants video_input "rgb" and the data\'s num_frames and frame_size',
        )
        return inputs.unflatten(1, (-1, 3)).flatten(0, 1)


def _check_input(
    name: str, inputs: Float[Tensor, "b c h w"], wanted: tuple[int, int, int], hint: str
) -> None:
    # shapes are Python numbers, so torch.compile evaluates this outside of the graph
    if tuple(inputs.shape[1:]) != wanted:
        raise UserError(
            f"{name}: wanted inputs of shape (B, {wanted[0]}, {wanted[1]}, {wanted[2]}), "
            f"got {tuple(inputs.shape)}; {hint}"
        )


def _build(
    model: str, size: tuple[int, int], channels: int, init: str, pretrained_file: str | None
) -> tuple[VisionTransformer, LoadedWeights | None]:
    """Build a timm ViT without class token and head, and load the weights that `init` names.

    Args:
        model: name of a timm ViT.
        size: height and width of the input.
        channels: channels of the input.
        init: `scratch`, `imagenet`, or the path of a CAV-MAE checkpoint.
        pretrained_file: with `imagenet`, a local file of the timm weights.
    """
    if pretrained_file is not None and init != "imagenet":
        raise UserError(
            f"pretrained_file: {pretrained_file} is read with init imagenet only, "
            f"got init {init!r}; remove one of the two"
        )
    cav_mae = init not in ("scratch", "imagenet")
    # CAV-MAE was not trained with timm's eps of 1e-6
    options = {"norm_layer": partial(nn.LayerNorm, eps=1e-5)} if cav_mae else {}
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
            f"model: timm cannot build a ViT named {model!r} ({error}); "
            "timm.list_models('vit*') lists them"
        ) from error
    if (
        not isinstance(vit, VisionTransformer)
        or type(vit.patch_embed) is not PatchEmbed
        or vit.pos_embed is None
    ):
        raise UserError(
            f"model: {model} is not a plain ViT with learned position embeddings; "
            "wanted one like vit_base_patch16_224"
        )
    if vit.patch_embed.proj.bias is None:
        raise UserError(
            f"model: {model} has a patch embedding without bias; "
            "wanted a ViT like vit_base_patch16_224"
        )
    patch = vit.patch_embed.patch_size
    if any(length % side for length, side in zip(size, patch, strict=True)):
        raise UserError(
            f"{model}: input of {size[0]} x {size[1]} does not divide into patches of "
            f"{patch[0]} x {patch[1]}; choose multiples"
        )
    if init == "scratch":
        return vit, None
    loaded = (
        load_cav_mae(vit, init, "a" if channels == 1 else "v")
        if cav_mae
        else load_imagenet(vit, model, pretrained_file)
    )
    print_log(f"{model}: {loaded}", logger="current")
    return vit, loaded
