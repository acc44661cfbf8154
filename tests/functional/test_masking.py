"""Masks of tokens and the loss of masked autoencoders, against closed forms and ViTMAE."""

from __future__ import annotations

import pytest
import torch
from transformers import ViTMAEConfig, ViTMAEForPreTraining
from transformers.models.vit_mae.modeling_vit_mae import ViTMAEEmbeddings

from diccae.functional.arguments import ArgumentError
from diccae.functional.masking import (
    masked_mse,
    masks_of_noise,
    normalised_patches,
    random_masks,
    take_visible,
    visible_count,
    with_mask_tokens,
)


def small_vit_mae() -> ViTMAEConfig:
    return ViTMAEConfig(
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        decoder_num_attention_heads=2,
        decoder_hidden_size=8,
        decoder_num_hidden_layers=1,
        decoder_intermediate_size=16,
        image_size=12,
        patch_size=4,
        num_channels=3,
        mask_ratio=0.7,
        norm_pix_loss=True,
    )


def test_masks_are_those_of_vit_mae() -> None:
    noise, tokens = torch.rand(3, 9), torch.randn(3, 9, 8)
    kept, mask, restore = ViTMAEEmbeddings(small_vit_mae()).random_masking(tokens, noise)
    masks = masks_of_noise(noise, visible_count(9, 0.7))
    torch.testing.assert_close(take_visible(tokens, masks), kept, rtol=0, atol=0)
    torch.testing.assert_close(masks.restore, restore, rtol=0, atol=0)
    torch.testing.assert_close(masks.masked, mask.bool(), rtol=0, atol=0)


def test_targets_and_loss_are_those_of_vit_mae() -> None:
    model, images = ViTMAEForPreTraining(small_vit_mae()), torch.randn(2, 3, 12, 12)
    output = model(images, noise=torch.rand(2, 9))
    target = normalised_patches(model.patchify(images))
    torch.testing.assert_close(masked_mse(output.logits, target, output.mask.bool()), output.loss)


def test_a_row_has_the_exact_number_of_masked_tokens_and_each_draw_is_its_own() -> None:
    masks = random_masks(500, 16, 4)
    assert masks.masked.sum(1).unique().tolist() == [12]
    # each token is visible in a quarter of the rows: 125, with a standard deviation of 9.7
    assert int(((~masks.masked).sum(0) - 125).abs().max()) < 40
    again = random_masks(500, 16, 4, generator=torch.Generator().manual_seed(1))
    same = random_masks(500, 16, 4, generator=torch.Generator().manual_seed(1))
    assert torch.equal(again.keep, same.keep)
    assert not torch.equal(again.keep, masks.keep)


def test_visible_tokens_return_to_their_places() -> None:
    tokens, mask_token, masks = torch.randn(3, 7, 5), torch.randn(5), random_masks(3, 7, 2)
    restored = with_mask_tokens(take_visible(tokens, masks), mask_token, masks)
    wanted = torch.where(masks.masked[..., None], mask_token, tokens)
    torch.testing.assert_close(restored, wanted, rtol=0, atol=0)


def test_a_share_that_is_no_whole_number_of_tokens_is_rounded_down() -> None:
    assert visible_count(196, 0.75) == 49
    assert visible_count(10, 0.9) == 1  # int(10 * (1 - 0.9)) is 0
    assert visible_count(9, 0.7) == 2
    for ratio in (0.0, 0.99, 1.0):
        with pytest.raises(ArgumentError, match="wanted visible and masked tokens"):
            visible_count(9, ratio)
    with pytest.raises(ArgumentError, match="wanted 1 to 4 tokens, got 5"):
        masks_of_noise(torch.rand(2, 4), 5)


def test_normalised_patches_have_mean_0_and_unbiased_variance_1() -> None:
    patches = normalised_patches(5 + 3 * torch.randn(2, 3, 10, dtype=torch.float64))
    torch.testing.assert_close(patches.mean(-1), torch.zeros(2, 3, dtype=torch.float64))
    torch.testing.assert_close(
        patches.var(-1), torch.ones(2, 3, dtype=torch.float64), atol=1e-5, rtol=0
    )
    assert not normalised_patches(torch.full((1, 1, 4), 7.0)).any()


def test_only_masked_patches_count() -> None:
    predicted = torch.tensor([[[0.0, 0.0], [1.0, 3.0], [9.0, 9.0]]], requires_grad=True)
    target = torch.zeros(1, 3, 2)
    masked = torch.tensor([[True, True, False]])
    loss = masked_mse(predicted, target, masked)
    # (0 + 0 + 1 + 9) / 4
    assert float(loss.detach()) == pytest.approx(2.5)
    loss.backward()
    assert predicted.grad is not None
    torch.testing.assert_close(predicted.grad[0], torch.tensor([[0.0, 0.0], [0.5, 1.5], [0, 0]]))
    none = masked_mse(predicted, target, torch.zeros(1, 3, dtype=torch.bool))
    assert float(none.detach()) == 0
    assert none.requires_grad


def test_half_types_are_computed_in_float32() -> None:
    predicted = torch.full((1, 1, 2), 300.0, dtype=torch.float16)
    # 300^2 is no float16
    loss = masked_mse(predicted, torch.zeros_like(predicted), torch.tensor([[True]]))
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(90_000)
