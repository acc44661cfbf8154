"""The choices of DICCAE: what the paper leaves open, and controls."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from diccae.schedule import Strict


class DiccaeChoices(Strict):
    """Every open choice of the paper, and the controls. Defaults and comments:
    `configs/systems/diccae.py`; what the paper says and what else could be meant:
    `configs/ambiguities.yaml`; the controls: `docs/statistics.md`."""

    similarity: Literal["sigmoid_cosine", "half_cosine", "rbf", "mlp"]
    similarity_scale: float = Field(gt=0)
    similarity_bias: float
    similarity_lr_mult: float = Field(gt=0)
    pairs: Literal["fused", "intra_modal", "cross_modal"]
    pair_reduction: Literal["balanced", "plain_mean", "sum"]
    pretrain_batches: Literal["uniform", "p_x_k"]
    finetune_batches: Literal["uniform", "p_x_k"]
    update_set: Literal["train_holdout", "test_portion"]
    update_redraw: Literal["fixed", "each_epoch"]
    centroid: Literal["mean", "geometric_median"]
    pca_dim: int | None = Field(ge=1)
    pca_scope: Literal["all", "class"]
    circle: Literal["quantile", "min_enclosing", "least_squares"]
    coverage: float = Field(gt=0, le=1)
    normalize_features: bool
    normalization: Literal["literal", "robust", "rank", "log1p", "mean_one"]
    weight_range: float = Field(ge=0)
    diagonal_weight: Annotated[float, Field(ge=0)] | Literal["row_mean"]
    weight_floor: float = Field(ge=0)
    unmeasured_weight: Annotated[float, Field(ge=0)] | Literal["mean", "zero_degree"]
    smoothing: float = Field(ge=0, lt=1)
    weighting: Literal[
        "dynamic", "static", "flat_mean", "shuffled", "inverted", "oracle", "hard_negative"
    ]
    static_weight: float = Field(ge=0)
    pair_loss: Literal["confusion", "supcon"]
    supcon_temperature: float = Field(gt=0)
    confusion_weight: float = Field(ge=0)
    infonce_weight: float = Field(ge=0)
    infonce_contrast: Literal["cross_modal", "intra_modal", "both", "one_way"]
    temperature: float = Field(gt=0)
    kmeans_k: int = Field(ge=2)
    kmeans_restarts: int = Field(ge=1)
    kmeans_spherical: bool
    kmeans_init: Literal["random", "k-means++", "afk_mc2", "greedy-k-means++"]
    refine_every: int = Field(ge=0)
    cluster_ids: Literal["kmeans", "random"]
    initial_features: Literal["warmup", "warmup_weights"]
    initial_fusion: Literal["pretrained", "fresh"]
    reinit_head: Literal["unmatched", "all"]
    cluster_cross_entropy: bool
    finetune_labels: Literal["given", "permuted"]
    sources: Literal["all"] | Annotated[list[str], Field(min_length=1)]

    @property
    def weights_from_degrees(self) -> bool:
        """Whether degrees of confusion are measured, for the weights of the confusion loss."""
        return self.weighting not in ("static", "hard_negative")

    @model_validator(mode="after")
    def _inverted_weights_exist(self) -> DiccaeChoices:
        if self.weighting != "inverted":
            return self
        if self.normalization == "mean_one":
            raise ValueError(
                "weighting inverted is weight_range - w, and normalization mean_one has no largest "
                "weight; choose another normalization or another weighting"
            )
        # equal degrees have the weight 1
        largest = max(1.0, self.weight_floor, *_numbers(self.unmeasured_weight))
        if largest > self.weight_range:
            raise ValueError(
                "weighting inverted is weight_range - w, which must not be negative, but "
                f"weight_range is {self.weight_range:g} and a weight can be {largest:g}; raise "
                "weight_range or choose another weighting"
            )
        return self

    @model_validator(mode="after")
    def _circles_exist(self) -> DiccaeChoices:
        if self.circle == "min_enclosing" and self.pca_dim != 2:
            raise ValueError(
                f"circle min_enclosing exists in 2 dimensions, got pca_dim {self.pca_dim}; set "
                "pca_dim to 2 or choose another circle"
            )
        return self

    @model_validator(mode="after")
    def _supcon_has_no_weights_of_pairs(self) -> DiccaeChoices:
        wanted = {"weighting": "static", "static_weight": 1, "pairs": "fused"}
        for key, value in wanted.items():
            found = getattr(self, key)
            if self.pair_loss == "supcon" and found != value:
                raise ValueError(
                    f"pair_loss supcon contrasts fused features without weights of pairs: wanted "
                    f"{key} {value}, got {found}; set {key} to {value}, or pair_loss to confusion"
                )
        return self


def _numbers(value: float | str) -> tuple[float, ...]:
    return () if isinstance(value, str) else (value,)
