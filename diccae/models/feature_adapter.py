"""A small trained network over stored features, in place of an encoder."""

from __future__ import annotations

import torch
from jaxtyping import Float
from mmaction.registry import MODELS
from torch import Tensor, nn

from diccae.errors import UserError


@MODELS.register_module()
class FeatureAdapter(nn.Module):
    """An MLP over the mean of a clip's vectors, or a transformer over all of them.

    It stands where the audio or video encoder stands, so all that follows is the same as with an
    encoder that is trained.

    Args:
        in_features: D, size of a stored vector.
        out_features: size of the feature.
        kind: `mlp` (one hidden layer with batch norm) or `transformer` (pre-norm layers with
            learned positions, then the mean over tokens).
        hidden: size of the hidden layer; of the MLP in each layer of the transformer.
        dropout: share of hidden values that are dropped in training.
        tokens: T, vectors of a view that the transformer has positions for.
        width, depth, heads: of the transformer.

    Raises:
        UserError: an unknown kind, or `heads` does not divide `width`.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kind: str = "mlp",
        hidden: int = 512,
        dropout: float = 0.0,
        tokens: int = 1,
        width: int = 256,
        depth: int = 2,
        heads: int = 4,
    ) -> None:
        super().__init__()
        if kind not in ("mlp", "transformer"):
            raise UserError(f"FeatureAdapter: kind: wanted mlp or transformer, got {kind!r}")
        if width % heads:
            raise UserError(
                f"FeatureAdapter: heads {heads} does not divide width {width}; change one of them"
            )
        self.in_features, self.out_features = in_features, out_features
        self.tokens = tokens if kind == "transformer" else None
        if kind == "mlp":
            self.layers: nn.Module = nn.Sequential(
                nn.Linear(in_features, hidden),
                nn.BatchNorm1d(hidden),
                nn.ReLU(inplace=True),
                nn.Dropout(dropout),
                nn.Linear(hidden, out_features),
            )
            return
        self.project = nn.Linear(in_features, width)
        self.positions = nn.Parameter(0.02 * torch.randn(1, tokens, width))
        layer = nn.TransformerEncoderLayer(
            width, heads, hidden, dropout, "gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, out_features))

    def forward(self, inputs: Float[Tensor, "b 1 t d"]) -> Float[Tensor, "b e"]:
        """Stored vectors (B, 1, T, in_features) -> features (B, out_features).

        Raises:
            UserError: the vectors have another size or number.
        """
        vectors = inputs[:, 0]
        if vectors.shape[2] != self.in_features or self.tokens not in (None, vectors.shape[1]):
            wanted = "any number of" if self.tokens is None else str(self.tokens)
            raise UserError(
                f"FeatureAdapter: wanted {wanted} vectors of {self.in_features} values a clip, got "
                f"{vectors.shape[1]} of {vectors.shape[2]}; set in_features and tokens of the "
                "encoder to the stored features"
            )
        if self.tokens is None:
            return self.layers(vectors.mean(1))
        return self.head(self.layers(self.project(vectors) + self.positions).mean(1))
