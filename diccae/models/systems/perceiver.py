"""Perceiver IO (Jaegle et al., ICLR 2022), with the modules of transformers."""

from __future__ import annotations

from typing import Any, Literal

import torch
from jaxtyping import Float
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.logging import print_log
from timm.layers import lecun_normal_
from torch import Tensor, nn
from transformers.models.perceiver.configuration_perceiver import PerceiverConfig
from transformers.models.perceiver.modeling_perceiver import (
    PerceiverBasicDecoder,
    PerceiverFourierPositionEncoding,
    PerceiverModel,
)

from diccae.errors import UserError
from diccae.models.recogniser import Recogniser
from diccae.models.released_perceiver import load_released
from diccae.models.tokens import TokenEncoder


@MODELS.register_module()
class PerceiverIO(Recogniser):
    """N latent vectors attend to the tokens of all modalities, then to each other in S layers; one
    class query attends to them, and a linear classifier reads the result.

    A token is padded with a learned vector of its modality up to the width that all tokens have.

    Args:
        modalities, num_classes: see `Recogniser`.
        latents, latent_width: N and D.
        layers: S self-attention layers, each with weights of its own.
        repeats: how often these S layers are applied one after the other.
        heads, cross_heads, decoder_heads: of the self-attention, of the latents' attention to the
            tokens, and of the class query's attention to the latents.
        widening: width of the MLP in a self-attention layer, in multiples of D.
        attention_dropout: in all attentions.
        positions: `learned`: the tokens of the encoders; `fourier`: the values of each patch beside
            the Fourier features of its position on the grid.
        fourier_bands: frequencies on each axis of the grid.
        modality_channels: size of the vector of the modality with the widest tokens.
        init: `scratch`, or the path of a released checkpoint.
        **recogniser: see `Recogniser`; the encoders are `TokenEncoder`s without blocks.

    Raises:
        UserError: `cross_heads` do not divide the width of the tokens, or the checkpoint does not
            fit.
    """

    def __init__(
        self,
        modalities: tuple[str, ...],
        num_classes: int,
        latents: int,
        latent_width: int,
        layers: int,
        heads: int,
        repeats: int = 1,
        cross_heads: int = 1,
        decoder_heads: int = 1,
        widening: int = 1,
        attention_dropout: float = 0.0,
        positions: Literal["learned", "fourier"] = "learned",
        fourier_bands: int = 8,
        modality_channels: int = 4,
        init: str = "scratch",
        **recogniser: Any,
    ) -> None:
        super().__init__(modalities, num_classes, **recogniser)
        encoders: dict[str, Any] = {name: self._encoder(name) for name in self.modalities}
        for encoder in encoders.values():
            encoder.norm = nn.Identity()
        self.fourier = positions == "fourier"
        if self.fourier:
            self._use_fourier_positions(encoders, fourier_bands)
        widths = {
            name: encoder.patch_values + self._positions(name).shape[1]
            if self.fourier
            else encoder.width
            for name, encoder in encoders.items()
        }
        width = max(widths.values()) + modality_channels
        if width % cross_heads:
            raise UserError(
                f"method.cross_heads: {cross_heads} heads do not divide the width {width} of the "
                f"tokens ({max(widths.values())}) and modality_channels ({modality_channels}); "
                "change one of the two choices"
            )
        std = PerceiverConfig.initializer_range
        self.padding = nn.ParameterDict(
            {
                name: nn.init.normal_(torch.empty(1, width - own), std=std)
                for name, own in widths.items()
            }
        )
        config = PerceiverConfig(
            num_latents=latents,
            d_latents=latent_width,
            d_model=width,
            num_blocks=repeats,
            num_self_attends_per_block=layers,
            num_self_attention_heads=heads,
            num_cross_attention_heads=cross_heads,
            self_attention_widening_factor=widening,
            # 0.1 by default
            attention_probs_dropout_prob=attention_dropout,
        )
        decoder = PerceiverBasicDecoder(
            config,
            output_num_channels=latent_width,
            output_index_dims=1,
            num_channels=latent_width,
            num_heads=decoder_heads,
            use_query_residual=True,
            # the classifier is a module of its own, so that there is a feature before it
            final_project=False,
            trainable_position_encoding_kwargs=dict(num_channels=latent_width, index_dims=1),
        )
        self.perceiver = PerceiverModel(config, decoder=decoder)
        self.classifier = nn.Linear(latent_width, num_classes)
        for module in (*self.perceiver.modules(), self.classifier):
            if isinstance(module, nn.Linear):
                # As the code of the authors. transformers draws all weights with a standard
                # deviation of 0.02, from which narrow networks learn nothing.
                lecun_normal_(module.weight)
                nn.init.zeros_(module.bias)
        if init != "scratch":
            print_log(str(load_released(self, init)), logger="current")

    def tokens(self, inputs: dict[str, Float[Tensor, "b ..."]]) -> Float[Tensor, "b n c"]:
        """The tokens (B, N, C) of audio (B, 1, T, n_mels) and one video view (B, T c, H, W), those
        of audio first."""
        padded = []
        for name in self.modalities:
            encoder = self._encoder(name)
            if self.fourier:
                values = encoder.patches(inputs[name])
                places = self._positions(name).expand(len(values), -1, -1)
                own = torch.cat([values, places], dim=2)
            else:
                own = encoder.embed(inputs[name])
            padding = self.padding[name].expand(*own.shape[:2], -1)
            padded.append(torch.cat([own, padding.to(own.dtype)], dim=2))
        return torch.cat(padded, dim=1)

    def read(self, tokens: Float[Tensor, "b n c"]) -> Float[Tensor, "b d"]:
        """What the class query (B, D) finds in the latents, after they attended to the tokens."""
        model: Any = self.perceiver
        # forward() of the model would build a mask, and wait for the GPU to find it empty
        latents = model.encoder(model.embeddings(len(tokens)), inputs=tokens).last_hidden_state
        return model.decoder(model.decoder.decoder_query(tokens), z=latents).logits[:, 0]

    def encode_views(
        self, inputs: dict[str, Float[Tensor, "b ..."]]
    ) -> dict[str, Float[Tensor, "b _ _"]]:
        """The joint feature of each view, `joint`: (B, V, D); all views have the same audio."""
        views = inputs["video"].unbind(1) if "video" in self.modalities else [None]
        found = [
            self.read(self.tokens(inputs if view is None else inputs | {"video": view}))
            for view in views
        ]
        return {"joint": torch.stack(found, dim=1)}

    def fuse(self, features: dict[str, Float[Tensor, "b d"]]) -> Float[Tensor, "b d"]:
        """The joint feature (B, D)."""
        return features["joint"]

    def logits(self, fused: Float[Tensor, "b d"]) -> Float[Tensor, "b c"]:
        """Logits (B, C) of joint features (B, D)."""
        return self.classifier(fused)

    def loss(
        self, inputs: dict[str, Float[Tensor, "b ..."]], data_samples: list[ActionDataSample]
    ) -> dict[str, Float[Tensor, ""]]:
        """Cross entropy."""
        logits = self.logits(self.fuse(self.encode(inputs)))
        return {"loss_cls": self.cross_entropy(logits, data_samples)}

    def _encoder(self, name: str) -> TokenEncoder:
        encoder: Any = self.encoders[name]
        return encoder

    def _positions(self, name: str) -> Float[Tensor, "n f"]:
        return self.get_buffer(f"{name}_positions")

    def _use_fourier_positions(self, encoders: dict[str, Any], bands: int) -> None:
        """Keep the Fourier features of each modality's grid as buffers, and drop what projects its
        patches."""
        for name, encoder in encoders.items():
            encoding = PerceiverFourierPositionEncoding(bands, encoder.grid)
            places = encoding(encoder.grid, 1, device=torch.device("cpu"), dtype=torch.float32)[0]
            self.register_buffer(f"{name}_positions", places, persistent=False)
            encoder.projection = nn.Identity()
            encoder.register_parameter("positions", None)
