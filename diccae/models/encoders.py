"""Convolutional encoders: from the audio or video of a clip to one feature vector."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from mmaction.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class ConvEncoder(nn.Module):
    """A stack of stride-2 convolutions with batch norm, then global average pooling.

    Audio is one channel (time x mel). Video has its frames stacked on the channel axis, so that the
    first layer already sees motion.

    Args:
        in_channels: channels of the input (1 for a log-mel spectrogram, 3 x frames for video).
        widths: output channels of each layer; the last one is the size of the feature.

    Attributes:
        out_features: size of the feature.
    """

    def __init__(self, in_channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.out_features = widths[-1]
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
        return self.layers(inputs)

    def locations(self, inputs: Float[Tensor, "b c h w"]) -> Float[Tensor, "b n d"]:
        """Features before pooling, (B, N, D) at N = rows x columns locations; their mean over N is
        the feature."""
        return self.layers[:-2](inputs).flatten(2).transpose(1, 2)
