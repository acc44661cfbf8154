"""The choices of CAV-MAE."""

from __future__ import annotations

from pydantic import Field

from diccae.schedule import Strict


class CavMaeChoices(Strict):
    """Choices of CAV-MAE; values in `configs/systems/cav_mae.py`.

    Attributes:
        joint_depth: blocks that both modalities share, of the depth of the encoders.
        mask_ratio: share of the tokens of each modality that pre-training masks.
        reconstruction_weight: of the errors of both modalities.
        contrast_weight, temperature: of the contrast; each video looks for its audio.
        norm_pixels: whether the values of each patch are normalised in the target.
        decoder_width, decoder_depth, decoder_heads: of the decoder.
        released_weights: a checkpoint of the released code that the first stage starts from.
    """

    joint_depth: int = Field(ge=1)
    mask_ratio: float = Field(gt=0, lt=1)
    reconstruction_weight: float = Field(ge=0)
    contrast_weight: float = Field(ge=0)
    temperature: float = Field(gt=0)
    norm_pixels: bool
    decoder_width: int = Field(ge=2)
    decoder_depth: int = Field(ge=1)
    decoder_heads: int = Field(ge=1)
    released_weights: str | None
