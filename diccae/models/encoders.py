"""Convolutional encoders: from the audio or video of a clip to one feature vector."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from mmaction.registry import MODELS
from torch import Tensor, nn

from diccae.errors import UserError


@MODELS.register_module()
class ConvEncoder(nn.Module):
    """A stack of stride-2 convolutions with batch norm, then global average pooling.

    Audio is one channel (time x mel). Video has its frames stacked on the channel axis, so that the
    first layer already sees motion.

    Args:
        in_channels: channels of the input (1 for a log-mel spectrogram, 3 x frames for video).
        widths: output channels of each layer; the last one is the size of the feature.
        channels_last: whether each layer computes in the memory format channels-last, which is
            faster for some sizes and slower for others; None for contiguous in all layers. The
            values are the same but for rounding.

    Attributes:
        out_features: size of the feature.

    Raises:
        UserError: `channels_last` and `widths` differ in length.
    """

    def __init__(
        self,
        in_channels: int,
        widths: Sequence[int],
        channels_last: Sequence[bool] | None = None,
    ) -> None:
        super().__init__()
        self.out_features = widths[-1]
        self.channels_last = [False] * len(widths) if channels_last is None else channels_last
        if len(self.channels_last) != len(widths):
            raise UserError(
                f"channels_last of an encoder: wanted {len(widths)} values, one for each of "
                f"`widths`, got {len(self.channels_last)}; correct it in the plan's overrides or "
                "in configs/base"
            )
        layers: list[nn.Module] = []
        channels = in_channels
        for index, width in enumerate(widths):
            kernel = 5 if index == 0 else 3
            layers += [
                nn.Conv2d(channels, width, kernel, stride=2, padding=kernel // 2, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            channels = width
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, inputs: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        """Inputs (B, in_channels, H, W) -> features (B, out_features)."""
        pool, flatten = list(self.layers)[-2:]
        return flatten(pool(self._maps(inputs)))

    def locations(self, inputs: Float[Tensor, "b c h w"]) -> Float[Tensor, "b n d"]:
        """Features before pooling, (B, N, D) at N = rows x columns locations; their mean over N is
        the feature."""
        return self._maps(inputs).flatten(2).transpose(1, 2)

    def _maps(self, inputs: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        formats = iter(self.channels_last)
        for layer in list(self.layers)[:-2]:
            if isinstance(layer, nn.Conv2d):
                inputs = _channels_last(inputs) if next(formats) else inputs.contiguous()
            inputs = layer(inputs)
        return inputs


def _channels_last(inputs: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """The same values in channels-last."""
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    # With one channel both formats have the same order in memory, and torch leaves the strides as
    # they are. A convolution chooses by the strides.
    batch, channels, height, width = inputs.shape
    if channels > 1:
        return inputs
    return inputs.as_strided(inputs.shape, (height * width, 1, width, 1))
