"""Perceiver IO against the bare model of transformers, and against a slow forward in NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from torch import nn
from transformers.models.perceiver.configuration_perceiver import PerceiverConfig
from transformers.models.perceiver.modeling_perceiver import (
    PerceiverClassificationDecoder,
    PerceiverForImageClassificationLearned,
    PerceiverModel,
)

from diccae import registry  # noqa: F401
from diccae.engine.compute import forward_cost
from diccae.errors import UserError
from diccae.models.released_perceiver import load_released
from diccae.models.systems.perceiver import PerceiverIO
from diccae.reporting.ambiguities import ambiguities
from diccae.systems.perceiver import PerceiverChoices
from tests.systems.composed import Case, run_of

CLASSES, LATENTS, WIDTH, LAYERS, HEADS = 5, 3, 8, 2, 2
TOKENS = dict(width=6, depth=0, heads=1)
AUDIO = dict(type="AudioTokens", size=(8, 6), patch=(4, 3), **TOKENS)
VIDEO = dict(type="VideoTokens", size=(4, 4, 6), patch=(2, 4, 3), channels=1, **TOKENS)


@pytest.fixture(autouse=True)
def _scope() -> None:
    init_default_scope("mmaction")


def perceiver(modalities: tuple[str, ...] = ("audio", "video"), **options: Any) -> PerceiverIO:
    chosen = dict(
        latents=LATENTS,
        latent_width=WIDTH,
        layers=LAYERS,
        heads=HEADS,
        cross_heads=2,
        decoder_heads=4,
        modality_channels=4,
    )
    encoders = {f"{n}_encoder": {"audio": AUDIO, "video": VIDEO}[n] for n in modalities}
    model = PerceiverIO(modalities, CLASSES, **(chosen | options), **encoders).double().eval()
    # larger than at the start, where every attention is almost a mean
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)
    return model


def inputs(clips: int = 2) -> dict[str, torch.Tensor]:
    return {
        "audio": torch.randn(clips, 1, 8, 6, dtype=torch.float64),
        "video": torch.randn(clips, 1, 4, 4, 6, dtype=torch.float64),
    }


def view(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return batch | {"video": batch["video"][:, 0]}


def config_of(width: int) -> PerceiverConfig:
    return PerceiverConfig(
        num_latents=LATENTS,
        d_latents=WIDTH,
        d_model=width,
        num_self_attends_per_block=LAYERS,
        num_self_attention_heads=HEADS,
        num_cross_attention_heads=2,
        num_labels=CLASSES,
    )


def test_it_equals_the_bare_model_of_transformers() -> None:
    model, batch = perceiver(), inputs()
    tokens = model.tokens(view(batch))
    config = config_of(tokens.shape[2])
    decoder = PerceiverClassificationDecoder(
        config,
        num_channels=WIDTH,
        num_heads=4,
        use_query_residual=True,
        trainable_position_encoding_kwargs=dict(num_channels=WIDTH, index_dims=1),
    )
    bare = PerceiverModel(config, decoder=decoder).double().eval()
    state = model.perceiver.state_dict()
    renamed = {
        key.replace("decoder.", "decoder.decoder.", 1) if key.startswith("decoder.") else key: value
        for key, value in state.items()
    }
    for name, value in model.classifier.state_dict().items():
        renamed[f"decoder.decoder.final_layer.{name}"] = value
    bare.load_state_dict(renamed)
    torch.testing.assert_close(model(batch, mode="tensor"), bare(inputs=tokens).logits)


def norm(x: np.ndarray, state: dict[str, np.ndarray], name: str) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]


def linear(x: np.ndarray, state: dict[str, np.ndarray], name: str) -> np.ndarray:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def layer(
    x: np.ndarray, read: np.ndarray | None, state: dict[str, np.ndarray], name: str, heads: int
) -> np.ndarray:
    """Queries x (M, D) attend to `read` (N, C), or to themselves; then the MLP."""
    own = f"{name}.attention.self"
    queries = norm(x, state, f"{own}.layernorm1")
    read = queries if read is None else norm(read, state, f"{own}.layernorm2")
    q, k, v = (
        linear(y, state, f"{own}.{part}")
        for y, part in ((queries, "query"), (read, "key"), (read, "value"))
    )
    found = []
    for head in np.split(np.arange(q.shape[1]), heads):
        scores = q[:, head] @ k[:, head].T / np.sqrt(len(head))
        weights = np.exp(scores - scores.max(1, keepdims=True))
        found.append(weights / weights.sum(1, keepdims=True) @ v[:, head])
    x = x + linear(np.concatenate(found, 1), state, f"{name}.attention.output.dense")
    hidden = linear(norm(x, state, f"{name}.layernorm"), state, f"{name}.mlp.dense1")
    erf = torch.erf(torch.from_numpy(hidden / np.sqrt(2))).numpy()
    return x + linear(hidden * (1 + erf) / 2, state, f"{name}.mlp.dense2")


@pytest.mark.parametrize("repeats", [1, 2])
def test_it_equals_a_slow_forward(repeats: int) -> None:
    model, batch = perceiver(repeats=repeats), inputs()
    tokens = model.tokens(view(batch)).detach().numpy()
    state = {name: value.numpy() for name, value in model.perceiver.state_dict().items()}
    head = {f"head.{name}": value.numpy() for name, value in model.classifier.state_dict().items()}
    for clip, logits in zip(tokens, model(batch, mode="tensor").detach().numpy(), strict=True):
        latents = layer(
            state["embeddings.latents"], clip, state, "encoder.cross_attention", heads=2
        )
        for index in [*range(LAYERS)] * repeats:
            latents = layer(latents, None, state, f"encoder.self_attends.{index}", HEADS)
        query = state["decoder.output_position_encodings.position_embeddings"]
        query = layer(query, latents, state, "decoder.decoding_cross_attention", heads=4)
        np.testing.assert_allclose(linear(query, head, "head")[0], logits, rtol=1e-9)


def test_permuting_tokens_with_their_positions_changes_nothing() -> None:
    model = perceiver()
    tokens = model.tokens(view(inputs()))
    permuted = tokens[:, torch.randperm(tokens.shape[1])]
    torch.testing.assert_close(model.read(permuted), model.read(tokens))


def test_tokens_are_those_of_the_encoders_with_the_vector_of_their_modality() -> None:
    model, batch = perceiver(), view(inputs())
    tokens = model.tokens(batch)
    audio, video = tokens.split([4, 4], dim=1)
    assert tokens.shape[2] == 6 + 4
    for name, own in (("audio", audio), ("video", video)):
        torch.testing.assert_close(own[..., :6], model.encoders[name].embed(batch[name]))
        padding = model.padding[name].expand_as(own[..., 6:])
        torch.testing.assert_close(own[..., 6:], padding)


def test_fourier_positions_are_beside_the_values_of_a_patch() -> None:
    model, batch = perceiver(positions="fourier", fourier_bands=3, cross_heads=1), view(inputs())
    audio = model.tokens(batch)[:, :4]
    torch.testing.assert_close(audio[..., :12], model.encoders["audio"].patches(batch["audio"]))
    # a grid of 2 x 2, with positions -1 and 1 on each axis
    places = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 2)
    bands = torch.linspace(1, 2 / 2, 3)
    angles = (torch.pi * places[:, :, None] * bands).flatten(1)
    wanted = torch.cat([places, angles.sin(), angles.cos()], dim=1).double()
    torch.testing.assert_close(audio[0, :, 12:26], wanted, rtol=0, atol=1e-6)
    names = [name for name, _ in model.named_parameters() if name.startswith("encoders.")]
    # nothing is left of the encoders but the cutting into patches
    assert names == []


def test_attention_drops_nothing_unless_told_to() -> None:
    batch = inputs()
    model = perceiver().train()
    assert torch.equal(model(batch, mode="tensor"), model(batch, mode="tensor"))
    dropping = perceiver(attention_dropout=0.5).train()
    assert not torch.equal(dropping(batch, mode="tensor"), dropping(batch, mode="tensor"))


def test_weights_start_as_in_the_code_of_the_authors() -> None:
    model = PerceiverIO(
        ("audio",), 50, audio_encoder=AUDIO, latents=64, latent_width=96, layers=1, heads=2
    )
    for name, weight in model.named_parameters():
        if name.startswith("perceiver.") and name.endswith(".weight") and weight.ndim == 2:
            assert weight.std().item() == pytest.approx(weight.shape[1] ** -0.5, rel=0.15)
    assert model.perceiver.embeddings.latents.std().item() == pytest.approx(0.02, rel=0.1)


def test_the_layers_have_weights_of_their_own_and_repeats_none() -> None:
    def size(**options: Any) -> int:
        return sum(parameter.numel() for parameter in perceiver(**options).parameters())

    # LayerNorms, query, key, value and output, MLP
    own = 2 * 2 * WIDTH + 4 * WIDTH * (WIDTH + 1) + 2 * WIDTH * (WIDTH + 1)
    assert size(layers=LAYERS + 1) - size() == own
    assert size(repeats=3) == size()


def test_its_operations_are_those_of_the_formula() -> None:
    model, batch = perceiver(), {name: value[:1] for name, value in inputs().items()}
    operations, parameters = forward_cost(lambda: model(batch, mode="tensor"), model)

    def attention(m: int, n: int, width: int, own: int, read: int) -> int:
        """M queries read N vectors; keys and values have `width`, the MLP the queries' own."""
        projections = m * own * width + 2 * n * read * width + m * width * own
        return projections + 2 * m * n * width + 2 * m * own * own

    patches = 4 * 12 * 6 + 4 * 24 * 6
    layers = (
        attention(LATENTS, 8, 10, WIDTH, 10)
        + LAYERS * attention(LATENTS, LATENTS, WIDTH, WIDTH, WIDTH)
        + attention(1, LATENTS, WIDTH, WIDTH, WIDTH)
    )
    assert operations == 2 * (patches + layers + WIDTH * CLASSES)
    assert parameters == sum(parameter.numel() for parameter in model.parameters())


def released(folder: Path, layers: int = LAYERS) -> tuple[Path, dict[str, torch.Tensor]]:
    """A made-up checkpoint in the layout of deepmind/vision-perceiver-learned."""
    config = config_of(PerceiverConfig().d_model)
    config.num_self_attends_per_block, config.image_size = layers, 2
    state = PerceiverForImageClassificationLearned(config).state_dict()
    torch.save(state, folder / "released.pth")
    return folder / "released.pth", state


def test_a_released_checkpoint_gives_latents_layers_and_decoder(tmp_path: Path) -> None:
    path, state = released(tmp_path)
    # another width of the tokens, as all data but those of the release have
    model = perceiver(decoder_heads=1, init=str(path))
    loaded = load_released(model, str(path))
    own = model.state_dict()
    for name in (
        "embeddings.latents",
        "encoder.self_attends.1.mlp.dense2.weight",
        "encoder.cross_attention.mlp.dense1.weight",
    ):
        torch.testing.assert_close(own[f"perceiver.{name}"].float(), state[f"perceiver.{name}"])
    for name in (
        "output_position_encodings.position_embeddings",
        "decoding_cross_attention.attention.self.query.weight",
    ):
        wanted = state[f"perceiver.decoder.decoder.{name}"]
        torch.testing.assert_close(own[f"perceiver.decoder.{name}"].float(), wanted)
    left = {key.removeprefix("perceiver.").rsplit(".", 1)[0] for key in loaded.unused}
    cross = "encoder.cross_attention.attention"
    reading = {f"{cross}.self.{part}" for part in ("layernorm2", "query", "key", "value")}
    assert {name for name in left if not name.startswith("input_preprocessor.")} == {
        "decoder.decoder.final_layer",
        f"{cross}.output.dense",
        *reading,
    }


def test_a_checkpoint_of_another_layout_is_refused(tmp_path: Path) -> None:
    path, _ = released(tmp_path, layers=LAYERS + 1)
    with pytest.raises(UserError, match=r"self_attends.2.* is of a layer that the model does not"):
        perceiver(init=str(path))
    path, _ = released(tmp_path, layers=1)
    with pytest.raises(UserError, match=r"self_attends.1.* has the shape none, wanted \(8,\)"):
        perceiver(init=str(path))
    with pytest.raises(UserError, match=r"embeddings.latents has the shape \(3, 8\), wanted \(4"):
        perceiver(init=str(released(tmp_path)[0]), latents=4)


def test_choices_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"4 heads do not divide the width 10 of the tokens \(6\)"):
        perceiver(cross_heads=4, modality_channels=4)
    case = Case("perceiver", "finetune", "AV", "AV")
    with pytest.raises(UserError, match="wanted heads that divide latent_width 64, got 5"):
        run_of(case, tmp_path, **{"method.heads": 5}).config()


def test_every_choice_is_in_the_register(tmp_path: Path) -> None:
    run = run_of(Case("perceiver", "finetune", "AV", "AV"), tmp_path)
    entries = ambiguities(run.plan, run.settings.as_record())
    keys = {entry["key"].removeprefix("method.") for entry in entries}
    assert keys == set(PerceiverChoices.model_fields)
