"""The network of MBT ("Attention Bottlenecks for Multimodal Fusion")."""

from __future__ import annotations

from typing import Any, Literal

import torch
from jaxtyping import Float
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import Tensor, nn
from torch.nn import functional as F

from diccae.models.recogniser import Recogniser
from diccae.models.tokens import TokenEncoder

STD = 0.02


@MODELS.register_module()
class MBT(Recogniser):
    """Two vision transformers that exchange information through bottleneck tokens.

    Each modality has patches, positions, class token and blocks of its own. From layer L_f on, the
    block of modality i computes [z_i, f_i] from its tokens z_i and the bottlenecks f, and the new
    bottlenecks are the mean of f_i over the modalities. The last mean is not read. One LayerNorm
    and one linear head, which starts at zero, serve both modalities.

    The fused feature is the mean of the features of the modalities, so that its logits are the mean
    of their logits.

    Args:
        modalities: with a single one, a plain vision transformer.
        num_classes: C.
        fusion_layer: L_f, from 0 to the number L of layers; None or L for late fusion. With
            bottlenecks, L - 1 is late fusion too.
        bottlenecks: B.
        fusion: `bottleneck`, or `attention`: from L_f on the queries of each modality attend to
            the tokens of both, with keys and values from the weights of its own block.
        pooling: the feature of a modality is its class token, or the mean of its tokens, after the
            LayerNorm.
        objective: the mean of the cross entropies of each modality (`each_modality`), or the cross
            entropy of their mean logits.
        **recogniser: see `Recogniser`; the encoders are `TokenEncoder`s of one width and depth.
    """

    def __init__(
        self,
        modalities: tuple[str, ...],
        num_classes: int,
        fusion_layer: int | None = None,
        bottlenecks: int = 4,
        fusion: Literal["bottleneck", "attention"] = "bottleneck",
        pooling: Literal["class_token", "mean"] = "class_token",
        objective: Literal["each_modality", "mean_logits"] = "each_modality",
        **recogniser: Any,
    ) -> None:
        super().__init__(modalities, num_classes, **recogniser)
        encoders = [self._encoder(name) for name in self.modalities]
        self.depth, width = len(encoders[0].blocks), encoders[0].width
        if fusion_layer is None or len(self.modalities) == 1:
            fusion_layer = self.depth
        self.fusion_layer = fusion_layer
        self.fusion, self.pooling, self.objective = fusion, pooling, objective
        self.norm = encoders[0].norm
        for encoder in encoders:
            encoder.norm = nn.Identity()
        self.class_tokens = nn.ParameterDict(
            {name: _tokens(1, width) for name in self.modalities if pooling == "class_token"}
        )
        exchanges = fusion == "bottleneck" and self.fusion_layer < self.depth
        self.bottlenecks = _tokens(bottlenecks, width) if exchanges else None
        self.head = nn.Linear(width, num_classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def encode_views(
        self, inputs: dict[str, Float[Tensor, "b ..."]]
    ) -> dict[str, Float[Tensor, "b v d"]]:
        """Features (B, V, D) by modality: of each video view beside the same audio."""
        views = inputs["video"].shape[1] if "video" in self.modalities else 1
        tokens = {}
        for name in self.modalities:
            value = inputs[name].flatten(0, 1) if name == "video" else inputs[name]
            own = self._embed(name, value)
            for layer in range(self.fusion_layer):
                own = self._block(name, layer)(own)
            tokens[name] = own.repeat_interleave(views, dim=0) if name == "audio" else own
        fused = self._fuse_layers(tokens)
        return {name: self._pool(value).unflatten(0, (-1, views)) for name, value in fused.items()}

    def fuse(self, features: dict[str, Float[Tensor, "b d"]]) -> Float[Tensor, "b d"]:
        """The mean (B, D) of the features by modality."""
        return torch.stack([features[name] for name in self.modalities]).mean(0)

    def logits(self, fused: Float[Tensor, "b d"]) -> Float[Tensor, "b c"]:
        """Logits (B, C) of the features (B, D) of a modality, or of their mean."""
        return self.head(fused)

    def loss(
        self, inputs: dict[str, Float[Tensor, "b ..."]], data_samples: list[ActionDataSample]
    ) -> dict[str, Float[Tensor, ""]]:
        """The cross entropy, see `objective`."""
        features = self.encode(inputs)
        fused = self.fuse(features)
        scored = [fused] if self.objective == "mean_logits" else list(features.values())
        terms = [self.cross_entropy(self.logits(feature), data_samples) for feature in scored]
        return {"loss_cls": torch.stack(terms).mean()}

    def _embed(self, name: str, inputs: Float[Tensor, "b c h w"]) -> Float[Tensor, "b n d"]:
        """Tokens of a modality before the first layer, the class token first."""
        tokens = self._encoder(name).embed(inputs)
        if self.pooling == "mean":
            return tokens
        return torch.cat([self.class_tokens[name].expand(len(tokens), -1, -1), tokens], dim=1)

    def _encoder(self, name: str) -> TokenEncoder:
        encoder: Any = self.encoders[name]
        return encoder

    def _block(self, name: str, layer: int) -> nn.Module:
        return self._encoder(name).blocks[layer]

    def _fuse_layers(
        self, tokens: dict[str, Float[Tensor, "b _ d"]]
    ) -> dict[str, Float[Tensor, "b _ d"]]:
        """Tokens by modality after the layers from L_f on."""
        shared: Tensor | None = self.bottlenecks
        if shared is not None:
            shared = shared.expand(len(next(iter(tokens.values()))), -1, -1)
        for layer in range(self.fusion_layer, self.depth):
            if shared is None:
                tokens = self._attend(tokens, layer)
            else:
                tokens, shared = self._exchange(tokens, shared, layer)
        return tokens

    def _exchange(
        self, tokens: dict[str, Float[Tensor, "b _ d"]], shared: Float[Tensor, "b f d"], layer: int
    ) -> tuple[dict[str, Float[Tensor, "b _ d"]], Float[Tensor, "b f d"]]:
        """One layer with bottlenecks (B, F, D): all modalities read the same ones."""
        updated, proposed = {}, []
        for name, own in tokens.items():
            both = self._block(name, layer)(torch.cat([own, shared], dim=1))
            updated[name], bottlenecks = both.split([own.shape[1], shared.shape[1]], dim=1)
            proposed.append(bottlenecks)
        return updated, torch.stack(proposed).mean(0)

    def _attend(
        self, tokens: dict[str, Float[Tensor, "b _ d"]], layer: int
    ) -> dict[str, Float[Tensor, "b _ d"]]:
        """One layer with full attention, for two modalities."""
        (first, one), (second, other) = tokens.items()
        return {
            first: attend(self._block(first, layer), one, other),
            second: attend(self._block(second, layer), other, one),
        }

    def _pool(self, tokens: Float[Tensor, "b n d"]) -> Float[Tensor, "b d"]:
        if self.pooling == "class_token":
            return self.norm(tokens[:, 0])
        return self.norm(tokens).mean(1)


def attend(
    block: Any, own: Float[Tensor, "b n d"], other: Float[Tensor, "b m d"]
) -> Float[Tensor, "b n d"]:
    """A transformer block on the tokens `own`, which attend to themselves and to `other`.

    Equals `block` on all N + M tokens where only the first N are kept, without computing the rest.

    Args:
        block: timm's `Block` without dropout, LayerScale and stochastic depth.
        own: (B, N, D) tokens that are updated.
        other: (B, M, D) tokens that are only read.
    """
    attention, (count, width) = block.attn, own.shape[1:]
    normalised = block.norm1(torch.cat([own, other], dim=1))
    sizes = [width, 2 * width]
    (of_query, of_rest), (b_query, b_rest) = (
        attention.qkv.weight.split(sizes),
        attention.qkv.bias.split(sizes),
    )
    query = _heads(F.linear(normalised[:, :count], of_query, b_query), 1, attention.num_heads)
    key, value = _heads(F.linear(normalised, of_rest, b_rest), 2, attention.num_heads)
    mixed = F.scaled_dot_product_attention(query[0], key, value)
    own = own + attention.proj(mixed.transpose(1, 2).flatten(2))
    return own + block.mlp(block.norm2(own))


def _heads(tokens: Float[Tensor, "b n kd"], parts: int, heads: int) -> Float[Tensor, "k b h n _"]:
    """(B, N, K D) -> (K, B, H, N, D / H)."""
    return tokens.unflatten(2, (parts, heads, -1)).permute(2, 0, 3, 1, 4)


def _tokens(count: int, width: int) -> nn.Parameter:
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(1, count, width), std=STD))
